import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { createCatalogueReader } from '../../src/adapters/catalogue-postgres/reader.ts';
import { loadConfig } from '../../src/config/load.ts';
import { LIMITS } from '../../src/core/limits.ts';
import { dialDirect } from '../../src/gateway/dial.ts';
import { execForm, imageStage, last, repositoryStages } from '../packaging/dockerfile.ts';
import { type PostgresServer, startPostgres } from '../servers/postgres.ts';

const document = readFileSync(join(import.meta.dirname, '../../docs/deployment.md'), 'utf8');

describe.each([15, 18] as const)('the GRANT statements of docs/deployment.md, on PostgreSQL %i', (version) => {
  let postgres: PostgresServer;
  const login = (user: string, password: string) =>
    new pg.Client({ host: '127.0.0.1', port: postgres.port, user, password, database: 'crm' });
  /** What the server says to each statement: nothing, or the code of its error. */
  const answers = async (user: string, password: string, statements: readonly string[]) => {
    const client = login(user, password);
    await client.connect();
    const codes: (string | null)[] = [];
    for (const statement of statements) {
      codes.push(
        await client.query(statement).then(
          () => null,
          (error: { code?: string }) => error.code ?? 'unknown',
        ),
      );
    }
    await client.end();
    return codes;
  };

  beforeAll(async () => {
    postgres = await startPostgres({ version, sql: 'create database crm' });
    const superuser = await postgres.client('crm');
    await superuser.query(
      "create table customers (id serial primary key, name text); create role other login password 'o'",
    );
    await superuser.query(block('sql'));
    await superuser.query('create table later (id int)');
    await superuser.end();
  });
  afterAll(() => postgres.stop());

  test('let the reader read what is there and what comes later, and write nothing', async () => {
    const said = await answers('gateway_ro', 'change-me-1', [
      'select * from customers',
      'select * from later',
      "insert into customers (name) values ('x')",
      'set default_transaction_read_only = off',
      "insert into customers (name) values ('x')",
      'create table mine (id int)',
      'create temporary table mine (id int)',
    ]);
    // 25006: read-only transaction; 42501: insufficient privilege (manual, Appendix A).
    expect(said).toEqual([null, null, '25006', null, '42501', '42501', '42501']);
  });

  test('let the writer write, and define nothing', async () => {
    const said = await answers('gateway_rw', 'change-me-2', [
      "insert into customers (name) values ('x')",
      'delete from later',
      'drop table customers',
      'create table mine (id int)',
      'truncate customers',
    ]);
    expect(said).toEqual([null, null, '42501', '42501', '42501']);
  });

  test('let the catalogue be read by who may read no table', async () => {
    expect(await answers('gateway_catalog', 'change-me-3', ['select * from customers'])).toEqual(['42501']);
    const address = { kind: 'tcp', host: '127.0.0.1', port: postgres.port } as const;
    const reader = createCatalogueReader({
      user: 'gateway_catalog',
      password: 'change-me-3',
      database: 'crm',
      connect: () => dialDirect(address, 5_000),
      connect_ms: 5_000,
      statement_ms: 10_000,
    });
    const { relations } = await reader.read();
    expect(relations.map(({ name }) => name)).toEqual(expect.arrayContaining(['customers', 'later']));
  });

  test('keep out who was granted nothing', async () => {
    await expect(login('other', 'o').connect()).rejects.toMatchObject({ code: '42501' });
  });
});

test('the target that docs/deployment.md shows is one that the configuration takes', () => {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-docs-'));
  const path = join(directory, 'sallyport.yaml');
  writeFileSync(path, block('yaml'));
  const loaded = loadConfig(path, {}, undefined, { secrets: 'unchecked' });
  rmSync(directory, { recursive: true });
  expect(loaded.outcome === 'invalid' ? loaded.problems : []).toEqual([]);
  expect(parse(block('yaml'))).toHaveProperty('targets');
});

test('the unit that docs/deployment.md shows runs what the image runs, and leaves it time to drain', () => {
  const settings = new Map(
    block('ini')
      .split('\n')
      .map((line) => /^(\w+)=(.*)$/.exec(line))
      .filter((found) => found !== null)
      .map(([, name = '', value = '']) => [name, value]),
  );
  const image = imageStage(repositoryStages());
  const command = [...execForm(last(image, 'ENTRYPOINT')), ...execForm(last(image, 'CMD'))];
  expect(settings.get('ExecStart')).toBe(command.join(' '));
  expect(`/var/lib/${settings.get('StateDirectory')}`).toBe(last(image, 'VOLUME'));
  expect(settings.get('StateDirectoryMode')).toBe('0700');
  expect(Number(settings.get('TimeoutStopSec')) * 1000).toBeGreaterThan(LIMITS.drain_ms);
  expect(Number(settings.get('LimitNOFILE'))).toBeGreaterThan(2 * LIMITS.connections_max);
  expect(settings.get('MemoryDenyWriteExecute')).toBeUndefined();
});

function block(language: string): string {
  const [, text] = new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\``, 'm').exec(document) ?? [];
  if (text === undefined) throw new Error(`docs/deployment.md has no block of ${language}`);
  return text;
}
