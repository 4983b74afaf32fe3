/**
 * Advisory locks of the database, by what whoever holds one may do. Told apart by their number alone,
 * so they are all here.
 */
export const LOCKS = {
  migrateLog: 746_600,
  /** The one that `log.append` takes (postgres.sql); whoever holds it sees a log that stands still. */
  append: 746_601,
  migrateVault: 746_610,
  /** With the version of the read models: see projector.ts. */
  project: 746_620,
  audit: 746_621,
  /** Shared by the nodes of a version of the read models or an engine, exclusive for who would be rid of it. */
  nodes: 746_622,
  /** One rebuild at a time. */
  rebuild: 746_623,
  /** One node after the other: two that make the same table at once get in each other's way. */
  start: 746_630,
  /** Whoever holds it sees what is due of keys and does it. */
  rotateKeys: 746_640,
  deliverNotices: 746_650,
  finishEndings: 746_660,
  /** The others come after, and find little to do. */
  removeUnusedClients: 746_670,
  /** Held for a moment by whoever prunes, and by a rebuild while it compares. */
  prune: 746_680,
  /** With the name of a projection: whoever holds it carries out what operators wish of it. */
  operate: 746_690,
  /** Whoever holds it compares some rows with the log. */
  look: 746_691,
} as const;
