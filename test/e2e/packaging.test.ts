import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { readCompose, serviceOf } from '../packaging/compose.ts';
import { execForm, healthCheck, imageStage, last, ROOT, repositoryStages } from '../packaging/dockerfile.ts';
import { type Layout, layOut } from '../packaging/layout.ts';
import { freePort, type PostgresServer, startPostgres } from '../servers/postgres.ts';

/*
 * No Docker engine: what the Dockerfile says is laid out in a directory and run there as another user, with the
 * configuration, the policies, the sample data and the environment of docker-compose.yml.
 */
const image = imageStage(repositoryStages());
const gateway = serviceOf(readCompose(), 'gateway');
const command = [...execForm(last(image, 'ENTRYPOINT')), ...execForm(last(image, 'CMD'))];
const sallyport = execForm(last(image, 'ENTRYPOINT'))[0] ?? '';
const configPath = command.at(-1) ?? '';
const dataDir = last(image, 'VOLUME');

let layout: Layout;
let postgres: PostgresServer;
let idp: ChildProcess;
let issuer: string;
let ports: { readonly api: number; readonly postgres: number };
let running: ChildProcess;
let said = '';

beforeAll(async () => {
  layout = layOut(image, [dataDir]);
  ports = { api: await freePort(), postgres: await freePort() };
  postgres = await startPostgres({
    version: 18,
    hba: ['host all postgres 127.0.0.1/32 trust', 'local all all scram-sha-256'],
    sql: 'create database crm',
  });
  // Sockets are for everybody (unix_socket_permissions), their directory is not.
  chmodSync(postgres.directory, 0o711);
  const sample = await postgres.client('crm');
  await sample.query(readFileSync(join(ROOT, 'examples/demo/sample.sql'), 'utf8'));
  await sample.end();
  idp = spawn(process.execPath, [join(ROOT, 'demo/idp.mjs'), '--port', '0'], { stdio: ['ignore', 'pipe', 'ignore'] });
  issuer = String(JSON.parse(await firstLine(idp)).issuer);
  mountConfiguration();
});

afterAll(async () => {
  await ended(running, 'SIGKILL');
  await ended(idp, 'SIGTERM');
  await postgres?.stop();
  layout?.remove();
});

describe('the image', () => {
  test('brings what init writes', () => {
    const { status, stderr } = layout.run([sallyport, 'init', join(dataDir, 'started')]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });

  test('accepts the configuration of docker-compose.yml and its policies', () => {
    const { status, stdout } = layout.run([sallyport, 'check', '--config', configPath], gateway.environment);
    expect({ status, stdout }).toMatchObject({ status: 0 });
  });

  test('names every variable that is missing, and listens nowhere', () => {
    const { status, stderr } = layout.run(command);
    expect(status).toBe(1);
    for (const name of Object.keys(gateway.environment)) expect(stderr).toContain(name);
  });

  test('is not healthy before it runs', () => {
    expect(health()).not.toBe(0);
  });

  test('becomes healthy as another user on a read-only tree', async () => {
    running = layout.start(command, gateway.environment);
    for (const stream of [running.stdout, running.stderr])
      stream?.on('data', (bytes: Buffer) => (said += bytes.toString()));
    const deadline = Date.now() + HEALTHY_MS;
    while (health() !== 0) {
      if (running.exitCode !== null || Date.now() > deadline) throw new Error(`never healthy: ${said}`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  });

  test('keeps its keys to itself', () => {
    expect(statSync(layout.at(join(dataDir, 'keys'))).mode & 0o077).toBe(0);
    expect(statSync(layout.at(join(dataDir, 'admin.sock'))).mode & 0o077).toBe(0);
    if (process.getuid?.() === 0)
      expect(String(statSync(layout.at(dataDir)).uid)).toBe(last(image, 'USER').split(':')[0]);
  });

  test('lets a psql that nobody changed through to the sample data, masked', () => {
    const { status, stdout, stderr } = psql('select name, ssn from customers order by id limit 1');
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: 'Ada Lovelace|*******6789\n', stderr: '' });
  });

  test('refuses what the policies of the demo forbid, naming the rule', () => {
    const { status, stderr } = psql('drop table orders');
    expect(status).not.toBe(0);
    expect(stderr).toContain('no-drops');
  });

  test('holds a write until the other user of the demo approves it, by the line at the head of docker-compose.yml', async () => {
    const write = spawn(...psqlLine("update customers set plan = 'gold' where id = 4 returning plan"));
    const written = textOf(write);
    const approver = { SALLYPORT_TOKEN: tokenOf('dan@example.com') };
    const [request] = await until(() => {
      const { status, stdout, stderr } = layout.run(headCommand('requests ls', '--json'), approver);
      if (status !== 0) throw new Error(stderr);
      return z.array(z.object({ id: z.string() })).parse(JSON.parse(stdout));
    });
    const approved = layout.run(headCommand(`requests approve ${request?.id}`), approver);
    expect(approved, approved.stderr).toMatchObject({ status: 0 });
    expect(await once(write, 'exit')).toEqual([0, null]);
    expect(await written).toContain('gold');
  });

  test('answers its operator on the socket in its volume', () => {
    const { status, stdout } = layout.run([sallyport, 'sessions', 'ls', '--json', '--config', configPath]);
    expect(status).toBe(0);
    expect(stdout).toContain('"crm"');
  });

  test('ends on SIGTERM with exit code 0', async () => {
    expect(running.exitCode).toBeNull();
    const exit = once(running, 'exit');
    running.kill('SIGTERM');
    expect(await exit).toEqual([0, null]);
    expect(health()).not.toBe(0);
  });

  test('leaves a record that verifies', () => {
    const audit = join(dataDir, 'audit');
    const key = readFileSync(layout.at(join(audit, 'vkey')), 'utf8').trim();
    const { status, stdout, stderr } = layout.run([sallyport, 'audit', 'verify', '--log', audit, '--key', key]);
    expect({ status, stderr, stdout }).toMatchObject({ status: 0, stderr: '' });
  });
});

/** /etc/sallyport as docker-compose.yml mounts it, with what is free on this machine in place of fixed ports and paths. */
function mountConfiguration(): void {
  for (const { service, from, to, named } of readCompose().mounts) {
    if (service === 'gateway' && !named) layout.mount(from, to, to === configPath ? onThisMachine : undefined);
  }
}

function onThisMachine(written: string): string {
  let text = written;
  for (const [before, after] of [
    [`data_dir: ${dataDir}`, `data_dir: ${layout.at(dataDir)}`],
    ['https://localhost:8443', `https://localhost:${ports.api}`],
    ['0.0.0.0:8443', `127.0.0.1:${ports.api}`],
    ['0.0.0.0:5433', `127.0.0.1:${ports.postgres}`],
    ['http://127.0.0.1:9400', issuer],
    ['/var/run/postgresql/.s.PGSQL.5432', join(postgres.directory, `.s.PGSQL.${postgres.port}`)],
  ] as const) {
    if (text.split(before).length !== 2) throw new Error(`${before} does not stand once in the configuration`);
    text = text.replace(before, after);
  }
  return text;
}

function health(): number | null {
  const words = healthCheck(image).map((word) => word.replace(':8443/', `:${ports.api}/`));
  return layout.run(words).status;
}

/** As the lines at the head of docker-compose.yml say. */
function psqlLine(statement: string): [string, string[], { env: NodeJS.ProcessEnv }] {
  const connection = headLine(/psql "([^"]+)"/)
    .replace('port=5433', `port=${ports.postgres}`)
    .replace('sslrootcert=ca.pem', `sslrootcert=${layout.at(join(dataDir, 'ca.pem'))}`);
  const env = { PATH: process.env.PATH, PGPASSWORD: tokenOf('ann@example.com') };
  return ['psql', [connection, '-XAtc', statement], { env }];
}

function psql(statement: string) {
  const [program, words, { env }] = psqlLine(statement);
  const { status, stdout, stderr } = spawnSync(program, words, { env, encoding: 'utf8', timeout: 20_000 });
  return { status, stdout, stderr };
}

/** The command that is run inside the gateway's container, with another one in place of `requests ls`. */
function headCommand(instead: string, ...more: readonly string[]): readonly string[] {
  const line = headLine(/gateway (\/\S+sallyport requests ls .*)$/m);
  const words = line.replace('requests ls', instead).replace('localhost:8443', `localhost:${ports.api}`).split(' ');
  return [...words, ...more];
}

function tokenOf(user: string): string {
  const made = spawnSync(process.execPath, [join(ROOT, 'demo/token.mjs'), user, '--issuer', issuer], {
    encoding: 'utf8',
  });
  if (made.status !== 0) throw new Error(made.stderr);
  return made.stdout.trim();
}

/** What comes, once anything does. */
async function until<Item>(look: () => readonly Item[]): Promise<readonly Item[]> {
  const deadline = Date.now() + HELD_MS;
  for (;;) {
    const found = look();
    if (found.length > 0) return found;
    if (Date.now() > deadline) throw new Error('nothing came');
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

async function textOf(child: ChildProcess): Promise<string> {
  let text = '';
  for await (const bytes of child.stdout ?? []) text += String(bytes);
  return text;
}

function headLine(pattern: RegExp): string {
  const [, found] = pattern.exec(readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8')) ?? [];
  if (found === undefined) throw new Error(`docker-compose.yml has no ${pattern}`);
  return found;
}

async function firstLine(child: ChildProcess): Promise<string> {
  let text = '';
  for await (const bytes of child.stdout ?? []) {
    text += String(bytes);
    if (text.includes('\n')) break;
  }
  return text;
}

async function ended(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill(signal);
  await exit;
}

const HEALTHY_MS = 30_000;
const HELD_MS = 20_000;
