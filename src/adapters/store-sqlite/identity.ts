import type { EpochMs } from '../../core/ids.ts';
import type { IdentityStore, Revocation, ScramAccount, StoredToken } from '../../identity/ports.ts';
import { bytesOf, type Database, integerOf, type Row, type Transaction, textOf } from './database.ts';
import type { Migration } from './migrations.ts';

export const IDENTITY_MIGRATION: Migration = {
  version: 1,
  name: 'identity',
  sql: `
    create table secrets (name text primary key, secret blob not null) strict, without rowid;
    create table accounts (
      name text primary key,
      salt blob not null,
      iterations integer not null check (iterations >= 4096)
    ) strict, without rowid;
    create table tokens (
      id text primary key,
      account text not null references accounts (name),
      digest blob not null check (length(digest) = 32),
      stored_key blob not null check (length(stored_key) = 32),
      server_key blob not null check (length(server_key) = 32),
      created_at integer not null,
      created_by text not null,
      expires_at integer not null check (expires_at > created_at),
      last_used_at integer,
      revoked_at integer,
      on_behalf_of text
    ) strict, without rowid;
    create index tokens_by_account on tokens (account, expires_at);
    create table revocations (
      sequence integer primary key autoincrement,
      scope text not null check (scope in ('principal', 'token')),
      subject text not null,
      at integer not null,
      by text not null
    ) strict;
    create index revocations_by_subject on revocations (scope, subject, at);
    create table spent_tokens (digest blob primary key, until integer not null) strict, without rowid;
    create index spent_tokens_by_end on spent_tokens (until);
  `,
};

/** The identity room's memory. */
export function identityStore(database: Database): IdentityStore {
  return {
    secret: (name, proposal) =>
      database.transaction((transaction) => {
        transaction.run('insert into secrets (name, secret) values (?, ?) on conflict do nothing', name, proposal);
        return bytesOf(only(transaction.all('select secret from secrets where name = ?', name)), 'secret');
      }),
    scramAccount: (name, at) => scramAccount(database, name, at),
    ensureAccount: (name, { salt, iterations }) =>
      database.transaction((transaction) => {
        const insert = 'insert into accounts (name, salt, iterations) values (?, ?, ?) on conflict do nothing';
        transaction.run(insert, name, salt, iterations);
        const row = only(transaction.all('select salt, iterations from accounts where name = ?', name));
        return { salt: bytesOf(row, 'salt'), iterations: integerOf(row, 'iterations') };
      }),
    addToken: (token, live_max) => database.transaction((transaction) => addToken(transaction, token, live_max)),
    token: async (id) => {
      const [row] = await database.all('select * from tokens where id = ?', id);
      return row === undefined ? null : tokenOf(row);
    },
    tokens: async (account) => {
      const sql = 'select * from tokens where ?1 is null or account = ?1 order by created_at desc, id';
      return (await database.all(sql, account)).map(tokenOf);
    },
    touchToken: async (id, at) => {
      await database.run('update tokens set last_used_at = max(?, coalesce(last_used_at, 0)) where id = ?', at, id);
    },
    revokeToken: (id, at, by) =>
      database.transaction((transaction) => {
        const changed = transaction.run('update tokens set revoked_at = ? where id = ? and revoked_at is null', at, id);
        if (changed === 1) addRevocation(transaction, 'token', id, at, by);
        return changed === 1;
      }),
    revokePrincipal: async (principal, at, by) => {
      await database.transaction((transaction) => addRevocation(transaction, 'principal', principal, at, by));
    },
    principalRevokedAt: async (principal) => {
      const sql = "select max(at) as at from revocations where scope = 'principal' and subject = ?";
      return integerOrNull(only(await database.all(sql, principal)), 'at');
    },
    revocationsAfter: async (sequence) => {
      const sql = 'select sequence, scope, subject, at from revocations where sequence > ? order by sequence';
      return (await database.all(sql, sequence)).map(revocationOf);
    },
    spend: (digest, until, now) =>
      database.transaction((transaction) => {
        transaction.run('delete from spent_tokens where until < ?', now);
        const insert = 'insert into spent_tokens (digest, until) values (?, ?) on conflict do nothing';
        return transaction.run(insert, digest, until) === 1;
      }),
  };
}

async function scramAccount(database: Database, name: string, at: EpochMs): Promise<ScramAccount | null> {
  const [account] = await database.all('select salt, iterations from accounts where name = ?', name);
  const live = `select id, stored_key, server_key from tokens
    where account = ? and expires_at > ? and revoked_at is null order by created_at desc, id`;
  const verifiers = await database.all(live, name, at);
  if (account === undefined) return null;
  return {
    salt: bytesOf(account, 'salt'),
    iterations: integerOf(account, 'iterations'),
    verifiers: verifiers.map((row) => ({ id: textOf(row, 'id'), ...keysOf(row) })),
  };
}

function addToken(transaction: Transaction, token: StoredToken, live_max: number): boolean {
  const counting = 'select count(*) as live from tokens where account = ? and expires_at > ? and revoked_at is null';
  const live = integerOf(only(transaction.all(counting, token.account, token.createdAt)), 'live');
  if (live >= live_max) return false;
  transaction.run(
    `insert into tokens (id, account, digest, stored_key, server_key, created_at, created_by, expires_at, on_behalf_of)
      values (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    token.id,
    token.account,
    token.digest,
    token.storedKey,
    token.serverKey,
    token.createdAt,
    token.createdBy,
    token.expiresAt,
    token.onBehalfOf,
  );
  return true;
}

function addRevocation(transaction: Transaction, scope: string, subject: string, at: EpochMs, by: string): void {
  transaction.run('insert into revocations (scope, subject, at, by) values (?, ?, ?, ?)', scope, subject, at, by);
}

function tokenOf(row: Row): StoredToken {
  return {
    id: textOf(row, 'id'),
    account: textOf(row, 'account'),
    digest: bytesOf(row, 'digest'),
    ...keysOf(row),
    createdAt: integerOf(row, 'created_at'),
    createdBy: textOf(row, 'created_by'),
    expiresAt: integerOf(row, 'expires_at'),
    lastUsedAt: integerOrNull(row, 'last_used_at'),
    revokedAt: integerOrNull(row, 'revoked_at'),
    onBehalfOf: row.on_behalf_of === null ? null : textOf(row, 'on_behalf_of'),
  };
}

function keysOf(row: Row): { storedKey: Buffer; serverKey: Buffer } {
  return { storedKey: bytesOf(row, 'stored_key'), serverKey: bytesOf(row, 'server_key') };
}

function revocationOf(row: Row): Revocation {
  const scope = textOf(row, 'scope');
  if (scope !== 'principal' && scope !== 'token') throw new Error(`revocation of scope ${scope}`);
  return { sequence: integerOf(row, 'sequence'), scope, subject: textOf(row, 'subject'), at: integerOf(row, 'at') };
}

function integerOrNull(row: Row, column: string): number | null {
  return row[column] === null ? null : integerOf(row, column);
}

function only(rows: readonly Row[]): Row {
  const [row] = rows;
  if (row === undefined) throw new Error('a query that always gives a row gave none');
  return row;
}
