import {
  type ASTVisitor,
  type DocumentNode,
  GraphQLError,
  type GraphQLSchema,
  getVariableValues,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
  type ValidationContext,
  type ValidationRule,
  visit,
} from 'graphql';
// The package's own ESM build would bring a second copy of graphql into the process.
import complexity from 'graphql-query-complexity/cjs';

export const MAX_TOKENS = 2_000;
export const MAX_DEPTH = 12;
export const MAX_ALIASES = 30;
export const MAX_COST = 5_000;

/** Refuses operations whose fields are nested deeper than this; introspection is not counted. */
export function depthLimit(max = MAX_DEPTH): ValidationRule {
  return (context: ValidationContext): ASTVisitor => {
    const known = new Map<string, number>();

    function depth(selections: SelectionSetNode, within: readonly string[]): number {
      const depths = selections.selections.map((selection) => {
        if (selection.kind === Kind.INLINE_FRAGMENT) return depth(selection.selectionSet, within);
        if (selection.kind === Kind.FRAGMENT_SPREAD)
          return ofFragment(selection.name.value, within);
        if (!selection.selectionSet || selection.name.value.startsWith('__')) return 1;
        return 1 + depth(selection.selectionSet, within);
      });
      return Math.max(0, ...depths);
    }

    function ofFragment(name: string, within: readonly string[]): number {
      const fragment = context.getFragment(name);
      // A fragment within itself has no depth; another rule refuses it.
      if (!fragment || within.includes(name)) return 0;
      const found = known.get(name) ?? depth(fragment.selectionSet, [...within, name]);
      known.set(name, found);
      return found;
    }

    return {
      OperationDefinition(node) {
        const reached = depth(node.selectionSet, []);
        if (reached <= max) return;
        const message = `the operation is nested ${reached} deep; at most ${max} are allowed`;
        context.reportError(new GraphQLError(message, { nodes: node }));
      },
    };
  };
}

/** Refuses documents with more aliases than this: each can make a field run once more. */
export function aliasLimit(max = MAX_ALIASES): ValidationRule {
  return (context: ValidationContext): ASTVisitor => ({
    Document(document) {
      let aliases = 0;
      visit(document, {
        Field({ alias }) {
          if (alias) aliases++;
        },
      });
      if (aliases <= max) return;
      const message = `the document has ${aliases} aliases; at most ${max} are allowed`;
      context.reportError(new GraphQLError(message));
    },
  });
}

/**
 * What an operation costs: each field one, each field of a page as often as the page is long.
 * Undefined when the variables do not fit; execution will say so.
 */
export function costOf(
  schema: GraphQLSchema,
  query: DocumentNode,
  operation: OperationDefinitionNode,
  variables: Record<string, unknown>,
): number | undefined {
  const { errors } = getVariableValues(schema, operation.variableDefinitions ?? [], variables);
  if (errors) return undefined;
  return complexity.getComplexity({
    schema,
    query,
    operationName: operation.name?.value,
    variables,
    estimators: [
      complexity.fieldExtensionsEstimator(),
      complexity.simpleEstimator({ defaultComplexity: 1 }),
    ],
  });
}

/** Whether the operation asks about the schema, beyond the name of a type. */
export function introspects(document: DocumentNode): boolean {
  let found = false;
  visit(document, {
    Field({ name }) {
      found ||= name.value === '__schema' || name.value === '__type';
    },
  });
  return found;
}
