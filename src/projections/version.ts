/**
 * The schema of the read models that this code reads and writes. The name is a digest of their tables
 * and of what they answer: `WRITE_VERSION=1 npm run jest -- test/projections/projection.test.ts`
 * writes it, and that test is red while it is another.
 */
export const READ_SCHEMA = 'read_333cfa7f';
