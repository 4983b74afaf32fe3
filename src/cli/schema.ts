import { printSchemaText } from '../graphql/schema.ts';

/** Prints the schema of the Admin API, as it is kept in schema.graphql. */
export async function schemaCommand(): Promise<void> {
  process.stdout.write(await printSchemaText());
}
