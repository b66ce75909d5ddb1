import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, type PostgresServer } from '../servers/postgres.ts';

/** Something that stands between pgbench and PostgreSQL, or PostgreSQL itself (no process to charge). */
export interface Peer {
  readonly name: string;
  readonly port: number;
  readonly pid: number | null;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  stop(): Promise<void>;
}

export const BENCH_USER = 'bench';

export function direct(server: PostgresServer): Peer {
  const { port } = server;
  return {
    name: 'direct',
    port,
    pid: null,
    user: BENCH_USER,
    password: 'bench',
    database: 'bench',
    stop: async () => {},
  };
}

export async function pgbouncer(server: PostgresServer): Promise<Peer> {
  const port = await freePort();
  const directory = scratch();
  writeFileSync(join(directory, 'users'), `"${BENCH_USER}" "bench"\n`);
  writeFileSync(
    join(directory, 'pgbouncer.ini'),
    `[databases]
bench = host=127.0.0.1 port=${server.port} user=${BENCH_USER} password=bench
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
auth_type = trust
auth_file = ${join(directory, 'users')}
pool_mode = session
max_client_conn = 500
default_pool_size = 100
unix_socket_dir =
ignore_startup_parameters = extra_float_digits
`,
  );
  open(directory);
  const child = asPostgres('pgbouncer', [join(directory, 'pgbouncer.ini')]);
  return running('pgbouncer', child, port, directory, { user: BENCH_USER, password: 'bench', database: 'bench' });
}

export async function haproxy(server: PostgresServer): Promise<Peer> {
  const port = await freePort();
  const directory = scratch();
  writeFileSync(
    join(directory, 'haproxy.cfg'),
    `global
  nbthread 1
  maxconn 2000
defaults
  mode tcp
  timeout connect 5s
  timeout client 10m
  timeout server 10m
listen pg
  bind 127.0.0.1:${port}
  server pg 127.0.0.1:${server.port}
`,
  );
  const child = spawn('haproxy', ['-db', '-f', join(directory, 'haproxy.cfg')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  return running('haproxy', child, port, directory, { user: BENCH_USER, password: 'bench', database: 'bench' });
}

export interface GatewayOptions {
  readonly name: string;
  readonly durability: 'writes' | 'batched' | 'strict';
  readonly policy: string;
}

/** The gateway as it is shipped, with policy, classification, masking rules and the record on. */
export async function sallyport(server: PostgresServer, options: GatewayOptions): Promise<Peer> {
  const directory = scratch();
  const port = await freePort();
  const bin = join(import.meta.dirname, '../../bin/sallyport');
  mkdirSync(join(directory, 'policies'));
  writeFileSync(join(directory, 'policies', 'bench.cedar'), options.policy);
  writeFileSync(
    join(directory, 'sallyport.yaml'),
    `gateway: { name: bench, data_dir: ./data, public_url: "https://localhost:8443" }
listeners: { postgres: "127.0.0.1:${port}" }
identity:
  service_accounts:
    - { name: ${BENCH_USER}, groups: [bench], person: bench@example.com }
    - { name: approver, groups: [dba], person: dba@example.com, may_approve: true }
targets:
  - name: bench
    protocol: postgres
    address: 127.0.0.1:${server.port}
    tls: "off"
    database: bench
    credential: { user: ${BENCH_USER}, password: bench }
    labels: { env: bench }
    classify:
      - { column: public.wide.c4, label: pii }
policies: [./policies/*.cedar]
audit: { durability: ${options.durability} }
`,
  );
  const config = join(directory, 'sallyport.yaml');
  const child = spawn(bin, ['serve', '--config', config], { stdio: ['ignore', 'ignore', 'pipe'] });
  const started = await running(options.name, child, port, directory, {
    user: BENCH_USER,
    password: '',
    database: 'bench',
  });
  const made = spawnSync(bin, ['token', 'create', BENCH_USER, '--ttl', '2h', '--config', config], { encoding: 'utf8' });
  if (made.status !== 0) throw new Error(`no token: ${made.stderr}`);
  return { ...started, password: made.stdout.trim() };
}

async function running(
  name: string,
  child: ChildProcess,
  port: number,
  directory: string,
  login: { user: string; password: string; database: string },
): Promise<Peer> {
  let said = '';
  child.stderr?.on('data', (bytes: Buffer) => {
    said = (said + bytes.toString()).slice(-4_000);
  });
  const { pid } = child;
  if (pid === undefined) throw new Error(`${name} is not installed: npm run bench:setup`);
  const deadline = Date.now() + START_MS;
  while (!(await answers(port))) {
    if (child.exitCode !== null || Date.now() > deadline) throw new Error(`${name} did not start: ${said}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return {
    name,
    port,
    pid,
    ...login,
    stop: async () => {
      const exit = new Promise((resolve) => child.once('exit', resolve));
      if (child.exitCode === null) {
        child.kill('SIGTERM');
        const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
        await exit;
        clearTimeout(timer);
      }
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** pgbouncer refuses to run as root. */
function asPostgres(command: string, args: readonly string[]): ChildProcess {
  const asRoot = process.getuid?.() === 0;
  const [program, words] = asRoot
    ? ['setpriv', ['--reuid=postgres', '--regid=postgres', '--clear-groups', command, ...args]]
    : [command, [...args]];
  return spawn(program, words, { stdio: ['ignore', 'ignore', 'pipe'] });
}

function scratch(): string {
  return mkdtempSync(join(tmpdir(), 'sallyport-bench-'));
}

function open(directory: string): void {
  chmodSync(directory, 0o755);
}

const START_MS = 30_000;
const STOP_MS = 10_000;
