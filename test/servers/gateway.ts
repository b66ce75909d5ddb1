import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { verifyLog } from '../../src/audit/verify.ts';
import type { VerifyReport } from '../../src/audit/verify-report.ts';
import { freePort } from './postgres.ts';
import { RawClient } from './raw-client.ts';

export interface GatewayOptions {
  /** The `targets` section. */
  readonly targets: readonly object[];
  /** Cedar files by name. */
  readonly policies: Readonly<Record<string, string>>;
  readonly serviceAccounts?: readonly object[];
  /** Merged over the rest of the configuration, section by section. */
  readonly config?: Readonly<Record<string, object>>;
  readonly env?: NodeJS.ProcessEnv;
}

/** `bin/sallyport serve` in a process of its own, on free ports, with its data in a directory of its own. */
export interface Gateway {
  readonly directory: string;
  readonly configPath: string;
  readonly port: number;
  readonly apiPort: number;
  readonly ca: string;
  readonly process: ChildProcess;
  /** What it said on standard error. */
  said(): string;
  /** A token of that service account; the same one for the same account. */
  token(account: string): Promise<string>;
  /** Logs in over plain TCP by SCRAM, as that account. */
  login(account: string, database: string, parameters?: Readonly<Record<string, string>>): Promise<RawClient>;
  /** Runs the command line as the operator; throws where it fails. */
  cli(...args: string[]): Promise<string>;
  /** Runs psql as that account over TLS, verified. */
  psql(account: string, database: string, sql: readonly string[] | string, options?: PsqlOptions): Promise<Ran>;
  /** Runs any program with the connection in libpq's environment variables. */
  run(account: string, database: string, command: string, args: readonly string[], options?: PsqlOptions): Promise<Ran>;
  verify(): Promise<VerifyReport>;
  /** Starts again on the same data, after `stop` or `kill`. */
  restart(): Promise<void>;
  stop(): Promise<number | null>;
  kill(): Promise<void>;
  /** Removes what it left. */
  clean(): void;
}

export interface PsqlOptions {
  readonly input?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly timeout_ms?: number;
}

export interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const BIN = join(import.meta.dirname, '../../bin/sallyport');

export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-gw-'));
  const [port, apiPort] = [await freePort(), await freePort()];
  const configPath = writeConfig(directory, port, apiPort, options);
  const tokens = new Map<string, string>();
  const env = { ...process.env, NODE_OPTIONS: '', ...options.env };
  let said = '';
  const start = () =>
    launch(configPath, env, (text) => {
      said = (said + text).slice(-100_000);
    });
  let child = await start();

  const cli = async (...args: string[]): Promise<string> => {
    const ran = await spawned(BIN, [...args, '--config', configPath], { env });
    if (ran.status !== 0) throw new Error(`sallyport ${args.join(' ')} ended with ${ran.status}: ${ran.stderr}`);
    return ran.stdout;
  };
  const token = async (account: string): Promise<string> => {
    const known = tokens.get(account);
    if (known !== undefined) return known;
    const made = (await cli('token', 'create', account, '--ttl', '2h')).trim();
    tokens.set(account, made);
    return made;
  };
  const run: Gateway['run'] = async (account, database, command, args, more = {}) =>
    spawned(command, args, {
      ...more,
      env: {
        ...env,
        PGHOST: 'localhost',
        PGPORT: String(port),
        PGUSER: account,
        PGDATABASE: database,
        PGPASSWORD: await token(account),
        PGSSLMODE: 'verify-full',
        PGSSLROOTCERT: join(directory, 'data', 'ca.pem'),
        PSQLRC: '/dev/null',
        ...more.env,
      },
    });
  const ended = async (signal: NodeJS.Signals): Promise<number | null> => {
    if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
    const exit = new Promise<number | null>((resolve) => child.once('exit', resolve));
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    const status = await exit;
    clearTimeout(timer);
    return status;
  };

  return {
    directory,
    configPath,
    port,
    apiPort,
    ca: join(directory, 'data', 'ca.pem'),
    get process() {
      return child;
    },
    said: () => said,
    token,
    login: async (account, database, parameters) =>
      RawClient.login({
        port,
        user: account,
        password: await token(account),
        database,
        ...(parameters === undefined ? {} : { parameters }),
      }),
    cli,
    psql: (account, database, sql, more) =>
      run(
        account,
        database,
        'psql',
        ['-X', '-q', '-At', ...(typeof sql === 'string' ? [sql] : sql).flatMap((one) => ['-c', one])],
        more,
      ),
    run,
    verify: () => {
      const audit = join(directory, 'data', 'audit');
      return verifyLog({ directory: audit, vkey: readFileSync(join(audit, 'vkey'), 'utf8').trim() });
    },
    restart: async () => {
      child = await start();
    },
    stop: () => ended('SIGTERM'),
    kill: async () => void (await ended('SIGKILL')),
    clean: () => rmSync(directory, { recursive: true, force: true }),
  };
}

function writeConfig(directory: string, port: number, apiPort: number, options: GatewayOptions): string {
  mkdirSync(join(directory, 'policies'));
  for (const [name, text] of Object.entries(options.policies)) writeFileSync(join(directory, 'policies', name), text);
  const base: Record<string, object> = {
    gateway: { name: 'test', data_dir: './data', public_url: `https://localhost:${apiPort}` },
    listeners: { api: `127.0.0.1:${apiPort}`, postgres: `127.0.0.1:${port}` },
    identity: { service_accounts: options.serviceAccounts ?? [] },
    audit: { durability: 'writes' },
  };
  for (const [section, lines] of Object.entries(options.config ?? {})) base[section] = { ...base[section], ...lines };
  const path = join(directory, 'sallyport.yaml');
  writeFileSync(path, stringify({ ...base, targets: options.targets, policies: ['./policies/*.cedar'] }));
  return path;
}

/** Resolves once it says that it listens. */
function launch(configPath: string, env: NodeJS.ProcessEnv, hear: (text: string) => void): Promise<ChildProcess> {
  const child = spawn(BIN, ['serve', '--config', configPath], { env, stdio: ['ignore', 'ignore', 'pipe'] });
  return new Promise((resolve, reject) => {
    let said = '';
    const timer = setTimeout(() => reject(new Error(`the gateway did not start in time: ${said}`)), START_MS);
    child.stderr.on('data', (bytes: Buffer) => {
      const text = bytes.toString();
      hear(text);
      said += text;
      if (!said.includes('the gateway listens')) return;
      clearTimeout(timer);
      resolve(child);
    });
    child.once('exit', (status) => {
      clearTimeout(timer);
      reject(new Error(`the gateway ended with ${status}: ${said}`));
    });
  });
}

export function spawned(command: string, args: readonly string[], options: PsqlOptions = {}): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { env: options.env ?? process.env, stdio: ['pipe', 'pipe', 'pipe'] });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (bytes: Buffer) => {
      stdout += bytes.toString();
    });
    child.stderr.on('data', (bytes: Buffer) => {
      stderr += bytes.toString();
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), options.timeout_ms ?? RUN_MS);
    child.on('error', reject);
    child.on('close', (status) => {
      clearTimeout(timer);
      resolve({ status, stdout, stderr });
    });
    child.stdin.on('error', () => {});
    child.stdin.end(options.input ?? '');
  });
}

const START_MS = 30_000;
const STOP_MS = 45_000;
const RUN_MS = 60_000;
