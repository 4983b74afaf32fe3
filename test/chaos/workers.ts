import type { TestServer } from '../support/server.ts';

/** Process ids of the workers that have come to serve and have not ended. */
export function livingWorkers(server: TestServer): number[] {
  const lines = server.output().split('\n');
  const told = lines.filter((line) => line.includes('"msg":"a worker serves"'));
  return told.map((line) => JSON.parse(line).worker as number).filter(isAlive);
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
