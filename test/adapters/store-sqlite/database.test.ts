import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openStore } from '../../../src/adapters/store-sqlite/database.ts';
import type { Migration } from '../../../src/adapters/store-sqlite/migrations.ts';

const ONE: Migration = { version: 1, name: 'words', sql: 'create table words (word text primary key) strict;' };
const TWO: Migration = { version: 2, name: 'lengths', sql: 'alter table words add column length integer;' };
const unavailable = expect.objectContaining({ code: 'STORE_UNAVAILABLE' });

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sallyport-store-'));
  path = join(directory, 'state', 'state.db');
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe('the store file', () => {
  test('and its companions are readable by their owner alone', async () => {
    const store = await openStore(path, [ONE]);
    await store.run('insert into words values (?)', 'a');
    for (const file of [path, `${path}-wal`, `${path}-shm`]) expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(statSync(join(directory, 'state')).mode & 0o777).toBe(0o700);
    await store.close();
  });

  test('loses permissions it should not have when it is opened', async () => {
    await (await openStore(path, [ONE])).close();
    execFileSync('chmod', ['0644', path]);
    await (await openStore(path, [ONE])).close();
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test('is not opened through a symbolic link', async () => {
    writeFileSync(join(directory, 'elsewhere.db'), '');
    symlinkSync(join(directory, 'elsewhere.db'), join(directory, 'link.db'));
    await expect(openStore(join(directory, 'link.db'), [ONE])).rejects.toEqual(unavailable);
  });

  test('is refused where it is not a database', async () => {
    writeFileSync(join(directory, 'text.db'), 'this is no database, however long it may be. '.repeat(100));
    await expect(openStore(join(directory, 'text.db'), [ONE])).rejects.toEqual(unavailable);
  });

  test('keeps what was committed when the process dies without closing it', async () => {
    const script = `
      import { openStore } from ${JSON.stringify(new URL('../../../src/adapters/store-sqlite/database.ts', import.meta.url).href)};
      const store = await openStore(${JSON.stringify(path)}, ${JSON.stringify([ONE])});
      await store.run("insert into words values ('committed')");
      store.transaction((tx) => { tx.run("insert into words values ('torn')"); process.kill(process.pid, 'SIGKILL'); });
    `;
    expect(() => execFileSync(process.execPath, ['--input-type=module', '-e', script], { stdio: 'pipe' })).toThrow(
      expect.objectContaining({ signal: 'SIGKILL' }),
    );
    const store = await openStore(path, [ONE, TWO]);
    expect(await store.all('select word from words')).toEqual([{ word: 'committed' }]);
    await store.close();
  });

  test('shows one process what another has written, and takes turns with it', async () => {
    const one = await openStore(path, [ONE]);
    const other = await openStore(path, [ONE]);
    await one.run('insert into words values (?)', 'from one');
    await other.run('insert into words values (?)', 'from other');
    expect(await one.all('select word from words order by word')).toEqual([
      { word: 'from one' },
      { word: 'from other' },
    ]);
    await one.close();
    await other.close();
  });
});

describe('migrations', () => {
  test('are applied in order, each once, and data survives them', async () => {
    const before = await openStore(path, [ONE]);
    await before.run('insert into words values (?)', 'old');
    await before.close();
    const after = await openStore(path, [ONE, TWO]);
    expect(await after.all('select * from words')).toEqual([{ word: 'old', length: null }]);
    expect(await after.all('select version, name from migrations')).toEqual([
      { version: 1, name: 'words' },
      { version: 2, name: 'lengths' },
    ]);
    await after.close();
  });

  test('leave nothing of a step that fails half way', async () => {
    const broken: Migration = { version: 2, name: 'broken', sql: 'create table half (a); create table words (b);' };
    await expect(openStore(path, [ONE, broken])).rejects.toEqual(unavailable);
    const store = await openStore(path, [ONE]);
    expect(await store.all("select name from sqlite_schema where name = 'half'")).toEqual([]);
    await store.close();
  });

  test('refuse a schema that is newer than the program', async () => {
    await (await openStore(path, [ONE, TWO])).close();
    await expect(openStore(path, [ONE])).rejects.toEqual(unavailable);
  });

  test('refuse a schema that another line of versions made', async () => {
    await (await openStore(path, [ONE])).close();
    await expect(openStore(path, [{ ...ONE, name: 'something else' }])).rejects.toEqual(unavailable);
  });

  test('refuse the database of another program', async () => {
    const foreign = new DatabaseSync(join(directory, 'foreign.db'));
    foreign.exec('create table theirs (a)');
    foreign.close();
    await expect(openStore(join(directory, 'foreign.db'), [ONE])).rejects.toEqual(unavailable);
  });

  test('with a gap in their versions are a bug', async () => {
    await expect(openStore(path, [ONE, { ...TWO, version: 3 }])).rejects.not.toEqual(unavailable);
  });
});

describe('a transaction', () => {
  test('that throws has changed nothing, and the error is the one thrown', async () => {
    const store = await openStore(path, [ONE]);
    const failure = new Error('mine');
    await expect(
      store.transaction((transaction) => {
        transaction.run('insert into words values (?)', 'gone');
        throw failure;
      }),
    ).rejects.toBe(failure);
    expect(await store.all('select * from words')).toEqual([]);
    await store.close();
  });

  test('gives back what its work gives', async () => {
    const store = await openStore(path, [ONE]);
    expect(await store.transaction((transaction) => transaction.run('insert into words values (?)', 'a'))).toBe(1);
    await store.close();
  });
});

test('an error of the store never carries the values that were to be stored', async () => {
  const store = await openStore(path, [ONE]);
  await store.run('insert into words values (?)', 'canary-secret');
  const error = await store.run('insert into words values (?)', 'canary-secret').catch((failure: unknown) => failure);
  expect(error).toEqual(unavailable);
  expect(JSON.stringify(error, Object.getOwnPropertyNames(error)) + String(error)).not.toContain('canary-secret');
  await store.close();
  await expect(store.all('select 1')).rejects.toEqual(unavailable);
});
