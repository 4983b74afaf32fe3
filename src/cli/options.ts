import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';

/** The options of a command, as they were given. @throws TypeError naming one that there is not */
export function options<T extends ParseArgsOptionsConfig>(known: T, after = 3) {
  return parseArgs({ args: process.argv.slice(after), options: known, strict: true }).values;
}
