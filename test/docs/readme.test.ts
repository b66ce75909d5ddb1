import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { spawned } from '../servers/gateway.ts';
import { freePort, type PostgresServer, startPostgres } from '../servers/postgres.ts';

const ROOT = join(import.meta.dirname, '../..');
const README = readFileSync(join(ROOT, 'README.md'), 'utf8');

let server: PostgresServer;
let directory: string;

beforeAll(async () => {
  server = await startPostgres();
  const admin = await server.client();
  await admin.query('create database crm');
  await admin.end();
  const crm = await server.client('crm');
  await crm.query(readFileSync(join(ROOT, 'examples/demo/sample.sql'), 'utf8'));
  await crm.end();
  directory = mkdtempSync(join(tmpdir(), 'sallyport-readme-'));
  mkdirSync(join(directory, 'bin'));
  writeFileSync(join(directory, 'bin', 'sallyport'), `#!/bin/sh\nexec ${join(ROOT, 'bin', 'sallyport')} "$@"\n`, {
    mode: 0o755,
  });
});
afterAll(async () => {
  await server.stop();
  rmSync(directory, { recursive: true, force: true });
});

/** The lines of the console blocks below a heading, without prompt and remark. */
function commands(heading: string): readonly string[] {
  const [section = ''] = README.slice(README.indexOf(`## ${heading}`) + 3).split('\n## ');
  return [...section.matchAll(/```console\n([\s\S]*?)```/g)]
    .flatMap(([, block = '']) => block.split('\n'))
    .filter((line) => line.startsWith('$ '))
    .map((line) => line.slice(2).replace(/\s+#.*$/, ''));
}

test('the commands for one’s own database work as they are printed', async () => {
  const lines = commands('Your own database').filter((line) => !/^npm |^export CRM_/.test(line));
  const [init, check, serve, token, psql] = lines;
  expect(lines).toHaveLength(5);
  const env = { ...process.env, CRM_RW: 'rw-demo', CRM_RO: 'ro-demo', PGCONNECT_TIMEOUT: '10' };
  const bash = (line: string) => spawned('bash', ['-c', `cd ${directory} && ${line}`], { env });
  expect(await bash(init ?? '')).toMatchObject({ status: 0 });

  // What the reader is told to do next: name the database. Ports are moved aside, as others may use them here.
  const path = join(directory, 'gateway', 'sallyport.yaml');
  const [port, apiPort] = [await freePort(), await freePort()];
  const named = readFileSync(path, 'utf8')
    .replace('address: db.internal:5432', `address: 127.0.0.1:${server.port}`)
    .replace('tls: verify-full', 'tls: "off"')
    .replace('postgres: 127.0.0.1:5433', `postgres: 127.0.0.1:${port}`)
    .replace('api: 127.0.0.1:8443', `api: 127.0.0.1:${apiPort}`);
  writeFileSync(path, named);
  const checked = await bash(check ?? '');
  expect(checked.status, checked.stderr).toBe(0);

  const gateway = await started(serve ?? '', env);
  try {
    const line = `${token} && ${(psql ?? '').replace('port=5433', `port=${port}`)} -At -c 'select ssn from customers where id = 1'`;
    expect(await bash(line)).toMatchObject({ status: 0, stdout: '*******6789\n' });
  } finally {
    const exit = new Promise((resolve) => gateway.once('exit', resolve));
    gateway.kill('SIGTERM');
    await exit;
  }
});

function started(line: string, env: NodeJS.ProcessEnv): Promise<ChildProcess> {
  const child = spawn('bash', ['-c', `cd ${directory} && exec ${line}`], { env, stdio: ['ignore', 'ignore', 'pipe'] });
  return new Promise((resolve, reject) => {
    let said = '';
    child.stderr.on('data', (bytes: Buffer) => {
      said += bytes.toString();
      if (said.includes('the gateway listens')) resolve(child);
    });
    child.once('exit', (status) => reject(new Error(`it ended with ${status}: ${said}`)));
  });
}

test('every file and script that README names is there', () => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  for (const [, script] of README.matchAll(/npm run ([\w:-]+)/g)) expect(scripts, script).toHaveProperty(script ?? '');
  for (const [, link] of README.matchAll(/\]\(([^)#h][^)#]*)\)/g)) {
    expect(() => readFileSync(join(ROOT, link ?? '')), link).not.toThrow();
  }
});
