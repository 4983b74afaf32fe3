import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ENGINES } from '../support/server.ts';
import { type ChaosReport, runChaos } from './run.ts';

const USAGE = `npm run chaos -- [--seconds 60] [--seed n] [--engine postgres|eventstoredb]
  [--nodes 3] [--workers 1] [--machines]

Lets several nodes serve while faults befall them, on each engine or on one. The seed chooses the
faults and their order; it is printed, and can be given again. With --machines each node is in a
network namespace of its own, which is cut off now and then: on Linux, as root, with iproute2.`;

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    engine: { type: 'string' },
    nodes: { type: 'string', default: '3' },
    workers: { type: 'string', default: '1' },
    machines: { type: 'boolean' },
    help: { type: 'boolean' },
  },
});

if (values.help) console.log(USAGE);
else await main();

async function main(): Promise<void> {
  const [seconds, seed, nodes, workers] = [
    values.seconds,
    values.seed,
    values.nodes,
    values.workers,
  ].map(Number) as [number, number, number, number];
  const engines = ENGINES.filter((engine) => engine === (values.engine ?? engine));
  for (const engine of engines) {
    console.log(`\n${engine}, ${nodes} nodes of ${workers} process(es), seed ${seed}`);
    const output = join(tmpdir(), `muniment-chaos-${engine}-${seed}.log`);
    const { machines } = values;
    const options = { engine, seconds, seed, nodes, workers, machines, tell, output };
    const report = await runChaos(options);
    print(report);
    if (report.violations.length > 0) process.exitCode = 1;
  }
}

/** With the time, by which it can be found in the servers' log. */
function tell(fault: string): void {
  console.log(`  ${new Date().toISOString()} ${fault}`);
}

function print(report: ChaosReport): void {
  const { takeOvers, violations, operations, faults, failures, seconds, events } = report;
  console.log({ seconds, events, operations, failures, faults });
  for (const fault of new Set(takeOvers.map((each) => each.fault))) {
    const times = takeOvers.filter((each) => each.fault === fault).map(({ ms }) => ms);
    console.log(`  the next leader after one was ${fault}, ms: ${times.join(', ')}`);
  }
  console.log(`${violations.length} violations`);
  for (const violation of violations) console.log(`  ${violation}`);
}
