/** What the Admin API is about: of each, reading and writing are rights of their own. */
export const ADMIN_ENTITIES = [
  'clients',
  'scopes',
  'resources',
  'users',
  'keys',
  'issuers',
  'consents',
  'grants',
  'sessions',
  'tokens',
  /** What waits for a person to decide: requests by the back channel, device authorizations. */
  'requests',
  'configuration',
  'housekeeping',
  /** How the read models and the audit index keep up with the log, and are built anew. */
  'projections',
] as const;

/** What can be read and not written. */
export const ADMIN_RECORDS = [
  'schema',
  /** How the server is set up. */
  'settings',
  /** The record of everything that happened. */
  'audit',
  /** What only persons concerned should see: where requests came from, and what is sealed in events. */
  'personal',
] as const;

export type AdminEntity = (typeof ADMIN_ENTITIES)[number] | (typeof ADMIN_RECORDS)[number];
export type Access = 'read' | 'write';

/** The scope that allows everything: for operators who set the server up, and in an emergency. */
export const EVERYTHING = 'admin:*';

export function adminScope(entity: AdminEntity, access: Access): string {
  return `admin:${entity}:${access}`;
}

const reading = (entities: readonly AdminEntity[]) =>
  entities.map((entity) => adminScope(entity, 'read'));
const writing = (entities: readonly AdminEntity[]) =>
  entities.map((entity) => adminScope(entity, 'write'));

/** Every scope of the Admin API but the one that stands for all. */
const EACH = [...reading([...ADMIN_ENTITIES, ...ADMIN_RECORDS]), ...writing(ADMIN_ENTITIES)];

export const ADMIN_SCOPES: readonly string[] = [EVERYTHING, ...EACH];

/** What support is for: people, and what they have allowed. */
const OF_PEOPLE = ['users', 'consents', 'grants', 'sessions', 'tokens', 'requests'] as const;

/** The roles of operators, and the scopes of the Admin API that each allows. */
export const ROLES: Readonly<Record<string, readonly string[]>> = {
  owner: [EVERYTHING],
  administrator: EACH,
  support: [...reading([...OF_PEOPLE, 'clients', 'scopes', 'resources']), ...writing(OF_PEOPLE)],
  auditor: reading([...ADMIN_ENTITIES, 'audit', 'schema', 'settings']),
  'read-only': reading(ADMIN_ENTITIES),
};

/** What somebody with these roles may do; nothing for roles that are not of operators. */
export function scopesOfRoles(roles: readonly string[]): readonly string[] {
  return roles.flatMap((role) => (Object.hasOwn(ROLES, role) ? (ROLES[role] ?? []) : []));
}

/** What is left of a token's scopes in the hands of somebody with these roles. */
export function withinRoles(
  scopes: readonly string[],
  roles: readonly string[],
): readonly string[] {
  const allowed = scopesOfRoles(roles);
  if (allowed.includes(EVERYTHING)) return scopes;
  return scopes.includes(EVERYTHING) ? allowed : scopes.filter((each) => allowed.includes(each));
}
