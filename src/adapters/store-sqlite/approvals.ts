import type { ApprovalRequest, RequestStore } from '../../approval/ports.ts';
import { GatewayError } from '../../core/errors.ts';
import { type Database, integerOf, type Row, textOf } from './database.ts';
import type { Migration } from './migrations.ts';

/** A request is one JSON text; the columns beside it are what it is looked for by. */
export const APPROVALS: Migration = {
  version: 2,
  name: 'approvals',
  sql: `
    create table approval_requests (
      id text primary key,
      version integer not null,
      state text not null check (state in ('pending', 'approved', 'denied', 'expired', 'cancelled', 'used')),
      gateway text not null,
      run text not null,
      created_at integer not null,
      body text not null
    ) strict;
    create index approval_requests_newest on approval_requests (created_at);
    create index approval_requests_state on approval_requests (state, created_at);
  `,
};

export function approvalsIn(database: Database): RequestStore {
  return {
    insert: async (request) => {
      const { id, version, state, gateway, run, createdAt } = request;
      await database.run(INSERT, id, version, state, gateway, run, createdAt, JSON.stringify(request));
    },
    load: async (id) => {
      const [row] = await database.all('select id, version, state, body from approval_requests where id = ?', id);
      return row === undefined ? null : requestOf(row);
    },
    // One statement: no other process comes between the comparison and the change.
    replace: async (request) => {
      const { id, version, state } = request;
      return (await database.run(REPLACE, version, state, JSON.stringify(request), id, version - 1)) === 1;
    },
    versions: async (ids) => {
      const rows = await database.all(VERSIONS, JSON.stringify(ids));
      return new Map(rows.map((row) => [textOf(row, 'id'), integerOf(row, 'version')]));
    },
    list: async ({ state, items_max }) => {
      const rows =
        state === undefined
          ? await database.all(`${SELECT} order by created_at desc, id limit ?`, items_max)
          : await database.all(`${SELECT} where state = ? order by created_at desc, id limit ?`, state, items_max);
      return rows.map(requestOf);
    },
    unfinished: async (gateway, run) => (await database.all(UNFINISHED, gateway, run)).map(requestOf),
  };
}

/** The body is what this adapter wrote; its columns have to agree with it. */
function requestOf(row: Row): ApprovalRequest {
  const id = textOf(row, 'id');
  let request: ApprovalRequest;
  try {
    // Written by `JSON.stringify` of this type. What it says is not trusted: the gateway's signature is verified over it.
    request = JSON.parse(textOf(row, 'body')) as ApprovalRequest;
  } catch {
    throw broken(id);
  }
  if (request.id !== id || request.version !== integerOf(row, 'version') || request.state !== textOf(row, 'state')) {
    throw broken(id);
  }
  return request;
}

function broken(id: string): GatewayError {
  return new GatewayError('STORE_UNAVAILABLE', `the stored request ${id} contradicts itself`);
}

const SELECT = 'select id, version, state, body from approval_requests';
const INSERT =
  'insert into approval_requests (id, version, state, gateway, run, created_at, body) values (?, ?, ?, ?, ?, ?, ?)';
const REPLACE = 'update approval_requests set version = ?, state = ?, body = ? where id = ? and version = ?';
const VERSIONS = 'select id, version from approval_requests where id in (select value from json_each(?))';
const UNFINISHED = `${SELECT} where state in ('pending', 'approved') and gateway = ? and run <> ? order by created_at`;
