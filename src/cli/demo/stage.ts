import { type ChildProcess, spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RunningGateway, startGateway } from '../../compose.ts';
import { GatewayError } from '../../core/errors.ts';
import { createLog } from '../../observe/log.ts';
import { type DemoDatabase, endsWithUs, startDatabase } from './database.ts';

/** Everything the tour plays on: a database, an identity provider of its own process, a gateway. */
export interface DemoStage {
  readonly directory: string;
  readonly database: DemoDatabase;
  readonly gateway: RunningGateway;
  readonly apiUrl: URL;
  readonly postgres: { readonly host: string; readonly port: number };
  readonly ca: string;
  /** The token the identity provider gives to this person. */
  token(user: string): Promise<string>;
  stop(): Promise<void>;
}

export async function setStage(root: string, say: (step: string) => void): Promise<DemoStage> {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-demo-'));
  const closing: (() => unknown)[] = [() => rmSync(directory, { recursive: true, force: true })];
  const stop = async () => {
    for (const close of closing.splice(0).reverse()) await close();
  };
  try {
    const demo = join(root, 'examples', 'demo');
    const [databasePort, postgresPort, apiPort] = await freePorts();
    say('a real PostgreSQL with sample data');
    // Beside ours, which is private, since the database may run as another user.
    const data = mkdtempSync(join(tmpdir(), 'sallyport-demo-pg-'));
    closing.push(() => rmSync(data, { recursive: true, force: true }));
    const database = await startDatabase(data, databasePort, readFileSync(join(demo, 'sample.sql'), 'utf8'));
    closing.push(() => database.stop());
    say('an identity provider, in a process of its own');
    const provider = await startProvider(join(root, 'demo', 'idp.mjs'));
    closing.push(() => provider.stop());
    say('the gateway, with its own certificate, policies and log');
    cpSync(demo, directory, { recursive: true });
    const config = readFileSync(join(demo, 'sallyport.yaml'), 'utf8')
      .replaceAll('127.0.0.1:8443', `127.0.0.1:${apiPort}`)
      .replaceAll('localhost:8443', `localhost:${apiPort}`)
      .replaceAll('127.0.0.1:5433', `127.0.0.1:${postgresPort}`)
      .replaceAll('127.0.0.1:5432', `127.0.0.1:${databasePort}`)
      .replaceAll('http://127.0.0.1:9400', provider.issuer);
    const configPath = join(directory, 'sallyport.yaml');
    writeFileSync(configPath, config);
    const gateway = await startGateway({
      configPath,
      env: { ...process.env, ...PASSWORDS },
      log: createLog({ level: 'error' }),
    });
    closing.push(() => gateway.stop('the demo is over'));
    return {
      directory,
      database,
      gateway,
      apiUrl: new URL(`https://localhost:${apiPort}`),
      postgres: { host: 'localhost', port: postgresPort },
      ca: join(directory, 'data', 'ca.pem'),
      token: async (user) => {
        const answer = await fetch(`${provider.issuer}/demo/token?user=${encodeURIComponent(user)}`);
        if (!answer.ok) throw new GatewayError('IDENTITY_UNAVAILABLE', `the demo's provider answered ${answer.status}`);
        return answer.text();
      },
      stop,
    };
  } catch (fault) {
    await stop();
    throw fault;
  }
}

/** Says its issuer as one line of JSON when it is ready. */
async function startProvider(script: string): Promise<{ issuer: string; stop: () => Promise<void> }> {
  const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  endsWithUs(child, 'SIGKILL');
  let said = '';
  child.stderr.on('data', (bytes: Buffer) => {
    said = (said + bytes.toString()).slice(-2_000);
  });
  const issuer = await new Promise<string>((resolve, reject) => {
    let line = '';
    const timer = setTimeout(() => reject(unavailable('it did not start in time')), START_MS);
    child.stdout.on('data', (bytes: Buffer) => {
      line += bytes.toString();
      if (!line.includes('\n')) return;
      clearTimeout(timer);
      resolve(String((JSON.parse(line) as { issuer: unknown }).issuer));
    });
    child.once('error', (error) => reject(unavailable(error.message)));
    child.once('exit', (status) => reject(unavailable(`it ended with ${status}: ${said}`)));
  });
  return { issuer, stop: () => ended(child) };
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await exit;
  clearTimeout(timer);
}

async function freePorts(): Promise<readonly [number, number, number]> {
  const servers = await Promise.all(
    [0, 0, 0].map(
      () =>
        new Promise<net.Server>((resolve) => {
          const server = net.createServer().listen(0, '127.0.0.1', () => resolve(server));
        }),
    ),
  );
  // A server that listens on TCP has an address with a port.
  const [one, two, three] = servers.map((server) => (server.address() as net.AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  if (one === undefined || two === undefined || three === undefined) throw new Error('three servers have three ports');
  return [one, two, three];
}

function unavailable(why: string): GatewayError {
  return new GatewayError('IDENTITY_UNAVAILABLE', `the demo's identity provider: ${why}`);
}

const PASSWORDS = { DEMO_RO_PASSWORD: 'ro-demo', DEMO_RW_PASSWORD: 'rw-demo', DEMO_CATALOG_PASSWORD: 'catalog-demo' };
const START_MS = 15_000;
const STOP_MS = 5_000;
