import { chmodSync, closeSync, constants, fstatSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type SQLInputValue, type SQLOutputValue, type StatementSync } from 'node:sqlite';
import { GatewayError } from '../../core/errors.ts';
import { type Migratable, type Migration, migrate } from './migrations.ts';

export type Row = Readonly<Record<string, SQLOutputValue>>;
export type Value = SQLInputValue;

/** What may be done within one transaction: at once, so that nothing else can come in between. */
export interface Transaction {
  all(sql: string, ...values: readonly Value[]): readonly Row[];
  /** How many rows it changed. */
  run(sql: string, ...values: readonly Value[]): number;
}

/**
 * The store's file. The driver is synchronous; callers see promises, so that a server's driver fits behind the same ports.
 * Any failure of the driver is a GatewayError STORE_UNAVAILABLE, which carries no values.
 */
export interface Database {
  all(sql: string, ...values: readonly Value[]): Promise<readonly Row[]>;
  run(sql: string, ...values: readonly Value[]): Promise<number>;
  /** Takes the write lock first, so that what `work` reads is still so when it writes. A throw rolls back. */
  transaction<Result>(work: (transaction: Transaction) => Result): Promise<Result>;
  close(): Promise<void>;
}

/** Opens or creates the store, readable by this user alone, and brings its schema up to date. */
export async function openStore(path: string, migrations: readonly Migration[]): Promise<Database> {
  return guarded(() => {
    restrict(path);
    const driver = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS, enableForeignKeyConstraints: true });
    try {
      driver.exec(PRAGMAS);
      migrate(schemaOf(driver), migrations);
    } catch (error) {
      driver.close();
      throw error;
    }
    return databaseOn(driver);
  });
}

function databaseOn(driver: DatabaseSync): Database {
  const prepared = new Map<string, StatementSync>();
  const statement = (sql: string): StatementSync => {
    let found = prepared.get(sql);
    if (found === undefined) {
      found = driver.prepare(sql);
      prepared.set(sql, found);
    }
    return found;
  };
  const direct: Transaction = {
    all: (sql, ...values) => statement(sql).all(...values),
    run: (sql, ...values) => Number(statement(sql).run(...values).changes),
  };
  return {
    all: async (sql, ...values) => guarded(() => direct.all(sql, ...values)),
    run: async (sql, ...values) => guarded(() => direct.run(sql, ...values)),
    transaction: async (work) => guarded(() => transact(driver, () => work(direct))),
    close: async () => {
      prepared.clear();
      if (driver.isOpen) driver.close();
    },
  };
}

function transact<Result>(driver: DatabaseSync, work: () => Result): Result {
  driver.exec('begin immediate');
  try {
    const result = work();
    driver.exec('commit');
    return result;
  } catch (error) {
    // SQLite has already rolled back by itself after some failures (a full disk among them).
    if (driver.isTransaction) driver.exec('rollback');
    throw error;
  }
}

function schemaOf(driver: DatabaseSync): Migratable {
  const one = (sql: string, ...values: readonly Value[]): SQLOutputValue | undefined => {
    const row = driver.prepare(sql).get(...values);
    return row === undefined ? undefined : Object.values(row)[0];
  };
  const version = (): number => Number(one('pragma user_version'));
  return {
    version,
    foreign: () => one("select 1 from sqlite_schema where name not like 'sqlite_%'") !== undefined,
    appliedName: (of) => {
      const name = one('select name from migrations where version = ?', of);
      return typeof name === 'string' ? name : null;
    },
    apply: (migration) =>
      transact(driver, () => {
        if (version() >= migration.version) return;
        driver.exec('create table if not exists migrations (version integer primary key, name text not null) strict');
        driver.exec(migration.sql);
        driver.prepare('insert into migrations (version, name) values (?, ?)').run(migration.version, migration.name);
        // The version lies in the file's header and is part of the transaction; it takes no parameter.
        driver.exec(`pragma user_version = ${migration.version}`);
      }),
  };
}

/** SQLite gives its -wal and -shm files the mode of the main one, so that is made first. */
function restrict(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const descriptor = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, FILE_MODE);
  try {
    if (!fstatSync(descriptor).isFile()) throw new Error('not a regular file');
  } finally {
    closeSync(descriptor);
  }
  chmodSync(path, FILE_MODE);
}

function guarded<Result>(work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    throw translated(error);
  }
}

/** Failures of SQLite and of the file system become ours; errors that `work` threw itself pass as they are. */
function translated(error: unknown): unknown {
  if (!(error instanceof Error) || !('code' in error) || error instanceof GatewayError) return error;
  const number = 'errcode' in error ? `, sqlite error ${String(error.errcode)}` : '';
  return new GatewayError('STORE_UNAVAILABLE', `the store failed: ${error.message}${number}`);
}

/** Columns as what the schema says they are; the tables are STRICT, so anything else is a bug. */
export function textOf(row: Row, column: string): string {
  const value = row[column];
  if (typeof value !== 'string') throw new Error(`column ${column} is no text`);
  return value;
}

export function integerOf(row: Row, column: string): number {
  const value = row[column];
  if (typeof value !== 'number') throw new Error(`column ${column} is no integer`);
  return value;
}

export function bytesOf(row: Row, column: string): Buffer {
  const value = row[column];
  if (!(value instanceof Uint8Array)) throw new Error(`column ${column} holds no bytes`);
  return Buffer.from(value);
}

const FILE_MODE = 0o600;
/** The driver blocks the event loop while it waits for another process's write, so not for long. */
const BUSY_TIMEOUT_MS = 1_000;
/** FULL: in WAL mode NORMAL may lose the last commits in a power failure, and a lost revocation is a breach. */
const PRAGMAS = 'pragma journal_mode = wal; pragma synchronous = full; pragma trusted_schema = off;';
