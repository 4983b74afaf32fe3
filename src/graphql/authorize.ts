import {
  defaultFieldResolver,
  GraphQLError,
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLSchema,
  getNamedType,
  isInterfaceType,
  isObjectType,
} from 'graphql';
import { Extensions } from 'type-graphql';
import { type Access, type AdminEntity, adminScope, EVERYTHING } from '../commands/admin-rights.ts';
import type { GraphContext } from './context.ts';

export { type AdminEntity, adminScope, EVERYTHING };

/** Allows introspection where it is otherwise off. */
export const READ_SCHEMA_SCOPE = 'admin:schema:read';

/** Whether scopes held allow what requires this one. */
export function permits(held: readonly string[], required: string): boolean {
  return held.includes(required) || held.includes(EVERYTHING);
}

/** @throws GraphQLError FORBIDDEN, with extensions.requiredScopes, unless all of them are held */
export function demand(held: readonly string[], required: readonly string[]): void {
  const missing = required.filter((scope) => !permits(held, scope));
  if (missing.length === 0) return;
  throw new GraphQLError(`the token lacks the scope ${missing.join(' ')}`, {
    extensions: { code: 'FORBIDDEN', requiredScopes: required },
  });
}

/**
 * Of scopes that a client is given, those that one must hold oneself to give them: nobody hands out
 * more of this API than they have.
 */
export function scopesHandedOut(scopes: readonly string[]): string[] {
  if (scopes.includes('*')) return [EVERYTHING];
  return scopes.filter((scope) => scope.startsWith('admin:'));
}

/** Declares the scope a field requires. `guard` enforces it. */
export function Requires(entity: AdminEntity, access: Access) {
  return Extensions({ requiredScopes: [adminScope(entity, access)] });
}

/** Declares that a field itself finds out which scope is required, when it knows what was asked for. */
export function RequiresByType() {
  return Extensions({ requiredScopes: [] });
}

type Field = GraphQLField<unknown, GraphContext>;

/** The scopes a field declares; undefined when it declares nothing. */
export function requiredScopes(field: { extensions: object }): readonly string[] | undefined {
  return (field.extensions as { requiredScopes?: readonly string[] }).requiredScopes;
}

/**
 * Enforces the declared scopes, and that they are declared: on every query and mutation, and on every
 * field that leads to an entity. What nobody thought of is no field of the API. What a field requires
 * is added to its description.
 * @throws TypeError for a field that ought to declare its scope and does not
 */
export function guard(schema: GraphQLSchema): GraphQLSchema {
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isObjectType(type) || type.name.startsWith('__')) continue;
    for (const field of Object.values(type.getFields()) as Field[]) {
      const required = requiredScopes(field);
      if (required) protect(field, required);
      else if (mustDeclare(schema, type, field)) {
        throw new TypeError(`${type.name}.${field.name} declares no scope`);
      }
    }
  }
  return schema;
}

/** Whether the field is an entry to the API, or leads from one entity to another. */
export function mustDeclare(
  schema: GraphQLSchema,
  parent: GraphQLNamedType,
  field: { type: Field['type'] },
): boolean {
  if (parent === schema.getQueryType() || parent === schema.getMutationType()) return true;
  if (/(Connection|Edge)$/.test(parent.name)) return false;
  const type = getNamedType(field.type);
  return isEntity(type) || type.name.endsWith('Connection');
}

function isEntity(type: GraphQLNamedType): boolean {
  if (isInterfaceType(type)) return type.name === 'Node';
  return isObjectType(type) && type.getInterfaces().some(({ name }) => name === 'Node');
}

function protect(field: Field, required: readonly string[]): void {
  if (required.length > 0) field.description += ` Requires ${required.join(' ')}.`;
  const resolve = field.resolve ?? defaultFieldResolver;
  field.resolve = (source, args, context, info) => {
    demand(context.principal.scopes, required);
    return resolve(source, args, context, info);
  };
}
