import { execFileSync } from 'node:child_process';
import { randomInt } from 'node:crypto';

/** What stands for a machine of its own: a network namespace with a cable to this one. */
export interface Machine {
  /** Its address, as others reach it. */
  readonly address: string;
  /** At which it reaches others. */
  readonly others: string;
  /** Begins the command line of what runs on it. */
  readonly prefix: readonly string[];
  /** Loses what is sent in either direction from now on, and tells nobody. */
  cut(): void;
  mend(): void;
  remove(): void;
}

/** What both ends take for the other's while it is cut off: nobody listens to it. */
const NOBODYS = ['lladdr', '02:00:00:00:00:00', 'nud', 'permanent'];

/**
 * For Linux, as root, with iproute2.
 * @throws Error naming the command that failed
 */
export function makeMachine(): Machine {
  const name = `muniment-${randomInt(2 ** 32).toString(36)}`;
  const cable = `m${randomInt(2 ** 32).toString(36)}`;
  const network = `10.${randomInt(100, 256)}.${randomInt(256)}`;
  const [others, address] = [`${network}.1`, `${network}.2`];
  const prefix = ['ip', 'netns', 'exec', name];
  run('ip', 'netns', 'add', name);
  run('ip', 'link', 'add', cable, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name);
  run('ip', 'address', 'add', `${others}/24`, 'dev', cable);
  run('ip', 'link', 'set', cable, 'up');
  run(...prefix, 'ip', 'address', 'add', `${address}/24`, 'dev', 'eth0');
  for (const device of ['eth0', 'lo']) run(...prefix, 'ip', 'link', 'set', device, 'up');
  return {
    address,
    others,
    prefix,
    cut() {
      run('ip', 'neighbour', 'replace', address, ...NOBODYS, 'dev', cable);
      run(...prefix, 'ip', 'neighbour', 'replace', others, ...NOBODYS, 'dev', 'eth0');
    },
    mend() {
      run('ip', 'neighbour', 'delete', address, 'dev', cable);
      run(...prefix, 'ip', 'neighbour', 'delete', others, 'dev', 'eth0');
    },
    // The cable goes with it.
    remove: () => run('ip', 'netns', 'delete', name),
  };
}

function run(...[program = '', ...args]: string[]): void {
  execFileSync(program, args, { stdio: ['ignore', 'ignore', 'inherit'] });
}
