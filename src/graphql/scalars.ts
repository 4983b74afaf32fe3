import { GraphQLError, GraphQLScalarType, Kind, type ValueNode } from 'graphql';

/** A scalar that travels as text of one form. */
function textScalar(name: string, description: string, form: RegExp): GraphQLScalarType<string> {
  const parse = (value: unknown, node?: ValueNode): string => {
    if (typeof value === 'string' && form.test(value)) return value;
    throw new GraphQLError(`not a ${name}`, { nodes: node });
  };
  return new GraphQLScalarType<string, string>({
    name,
    description,
    serialize: String,
    parseValue: (value) => parse(value),
    parseLiteral: (node) => parse(node.kind === Kind.STRING ? node.value : undefined, node),
  });
}

export const PositionScalar = textScalar(
  'Position',
  'A place in the event log. Opaque; later positions sort after earlier ones, as text.',
  /^\d{1,32}$/,
);

export const DateTimeScalar = textScalar(
  'DateTime',
  'An instant in ISO 8601, such as 2026-11-21T08:00:00.000Z. Answers are in UTC.',
  /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)$/,
);

export const JsonScalar = new GraphQLScalarType<unknown, unknown>({
  name: 'JSON',
  description: 'Any JSON value.',
});
