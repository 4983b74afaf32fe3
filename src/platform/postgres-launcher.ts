import { execFileSync, type SpawnOptions, spawnSync } from 'node:child_process';
import { lstatSync, readFileSync } from 'node:fs';

/** How a program of PostgreSQL is started, and whose its files must be. */
export interface Launcher {
  /** The command line and the options that make the program agree to run. */
  command(program: string, args: readonly string[]): [string, string[], SpawnOptions];
  /** The OS user the data folder must belong to; null: whoever runs this process. */
  readonly owner: { readonly uid: number; readonly gid: number } | null;
}

/** `nobody` by convention. Inside the user namespace its number stands for root. */
const NOBODY = '65534';

/**
 * PostgreSQL refuses to run as root. For root it therefore gets a user namespace, in which root has
 * another number and so nothing on disk has to change; where the kernel forbids that, the OS user
 * `postgres` or `nobody`. On Linux the kernel ends it when this process dies, however it dies.
 * @throws Error naming DATABASE_URL when no way is open
 */
export function chooseLauncher(): Launcher {
  if (process.getuid?.() !== 0) return launcher(dieWithParent(), null);

  const namespace = ['unshare', '--user', `--map-user=${NOBODY}`, `--map-group=${NOBODY}`, '--'];
  // setpriv comes after unshare: a change of credentials would clear the parent-death signal.
  if (succeeds([...namespace, 'true'])) return launcher([...namespace, ...dieWithParent()], null);

  const user = unprivilegedUser();
  if (user) return launcher(dieWithParent(), user);
  throw new Error(
    'the embedded PostgreSQL cannot run as root here: user namespaces are forbidden and there is ' +
      'no OS user postgres or nobody. Run Muniment as another user, or set DATABASE_URL',
  );
}

/** Spawns as `owner` where there is one, through the programs in `prefix`. */
export function launcher(prefix: readonly string[], owner: Launcher['owner']): Launcher {
  return {
    owner,
    command(program, args) {
      const [file = program, ...rest] = [...prefix, program, ...args];
      // The environment is not passed on: it holds secrets that are not PostgreSQL's business.
      const env = { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC' };
      return [file, rest, { cwd: '/', env, ...owner }];
    },
  };
}

/** Prefix of a command that is interrupted when this process dies; empty where there is none. */
export function dieWithParent(): string[] {
  const prefix = ['setpriv', '--pdeathsig', 'INT'];
  return succeeds([...prefix, 'true']) ? prefix : [];
}

/** The OS user PostgreSQL runs as when root may not make a user namespace. */
export function unprivilegedUser(): { uid: number; gid: number } | null {
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  for (const name of ['postgres', 'nobody']) {
    const user = users.find((fields) => fields[0] === name);
    if (user) return { uid: Number(user[2]), gid: Number(user[3]) };
  }
  return null;
}

/** Whom the files of a database may belong to, whichever way it was started before. */
export function possibleOwners(): number[] {
  const uid = process.getuid?.() ?? 0;
  const other = uid === 0 ? unprivilegedUser() : null;
  return other ? [uid, other.uid] : [uid];
}

/** Root may come back with another way to start PostgreSQL, and so as another OS user, than before. */
export function giveTo(owner: Launcher['owner'], folder: string): void {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = owner ?? { uid: 0, gid: 0 };
  if (lstatSync(folder).uid !== uid) execFileSync('chown', ['-R', `${uid}:${gid}`, folder]);
}

function succeeds([file = '', ...args]: string[]): boolean {
  return spawnSync(file, args, { stdio: 'ignore' }).status === 0;
}
