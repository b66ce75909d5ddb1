import type { Duplex } from 'node:stream';
import pg from 'pg';
import { GatewayError } from '../../core/errors.ts';
import type { CatalogueReader, CatalogueRows } from '../../protocols/sql/ports.ts';
import { CATALOGUE_QUERIES } from './queries.ts';
import * as row from './rows.ts';

export interface CatalogueConnection {
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** A connected stream to the target, TLS done where the target wants it. */
  connect(): Promise<Duplex>;
  readonly connect_ms: number;
  readonly statement_ms: number;
}

/** Reads the catalogue over a connection of its own, in one read-only snapshot, and closes it. */
export function createCatalogueReader(connection: CatalogueConnection): CatalogueReader {
  return { read: () => withCatalogue(connection, readRows) };
}

/** Runs `work` on a connection of its own, with its deadlines, and closes it. */
export async function withCatalogue<Result>(
  connection: CatalogueConnection,
  work: (client: pg.Client) => Promise<Result>,
): Promise<Result> {
  const { connect_ms, statement_ms } = connection;
  let client: pg.Client | null = null;
  try {
    const stream = await within(connection.connect(), connect_ms, 'connecting');
    client = new pg.Client({
      user: connection.user,
      password: connection.password,
      database: connection.database,
      application_name: 'sallyport catalogue',
      connectionTimeoutMillis: connect_ms,
      statement_timeout: statement_ms,
      query_timeout: statement_ms,
      // The stream is connected: the driver's call to connect() has nothing left to do but say so.
      stream: () => connectedSocket(stream),
    });
    // A connection lost between queries would otherwise be an uncaught event; the query that follows reports it.
    client.on('error', () => {});
    await client.connect();
    return await work(client);
  } catch (error) {
    if (error instanceof GatewayError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new GatewayError('CATALOGUE_UNAVAILABLE', `the catalogue cannot be read: ${why}`, { why });
  } finally {
    await client?.end().catch(() => {});
  }
}

async function readRows(client: pg.Client): Promise<CatalogueRows> {
  const path = await client.query('SELECT pg_catalog.current_schemas(false)::text[] AS path');
  const searchPath = row.nameList(path.rows[0]?.path, 'path');
  await client.query('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY');
  await client.query("SELECT pg_catalog.set_config('search_path', '', true)");
  const version = await client.query("SELECT pg_catalog.current_setting('server_version_num')::int4 AS version");
  const list = async <Row>(query: keyof typeof CATALOGUE_QUERIES, max: number, check: (raw: unknown) => Row) => {
    // One more than allowed is fetched, so that too many are noticed and never held.
    const { rows } = await client.query({ text: `SELECT * FROM (${CATALOGUE_QUERIES[query]}) q LIMIT ${max + 1}` });
    if (rows.length > max) {
      throw new GatewayError('CATALOGUE_UNAVAILABLE', `the catalogue has more than ${max} ${query}`, { query, max });
    }
    return rows.map(check);
  };
  const rows: CatalogueRows = {
    serverVersion: row.number(version.rows[0]?.version, 'version'),
    searchPath,
    schemas: await list('schemas', RELATIONS_MAX, row.schema),
    relations: await list('relations', RELATIONS_MAX, row.relation),
    columns: await list('columns', COLUMNS_MAX, row.column),
    functions: await list('functions', COLUMNS_MAX, row.sqlFunction),
    operators: await list('operators', COLUMNS_MAX, row.operator),
    types: await list('types', COLUMNS_MAX, row.type),
    inheritance: await list('inheritance', COLUMNS_MAX, row.inheritance),
    foreignKeys: await list('foreignKeys', COLUMNS_MAX, row.foreignKey),
    ruleColumns: await list('ruleColumns', COLUMNS_MAX, row.ruleColumn),
    generatedFrom: await list('generatedFrom', COLUMNS_MAX, row.generatedFrom),
    relationFunctions: await list('relationFunctions', COLUMNS_MAX, row.relationFunction),
    typeFunctions: await list('typeFunctions', COLUMNS_MAX, row.typeFunction),
    views: await list('views', RELATIONS_MAX, row.view),
  };
  await client.query('COMMIT');
  return rows;
}

async function within<Value>(work: Promise<Value>, deadline_ms: number, what: string): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${deadline_ms} ms`)), deadline_ms);
  });
  try {
    return await Promise.race([work, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

/** What `pg` expects of a socket it is to connect: `connect`, then the event. */
function connectedSocket(stream: Duplex): Duplex {
  return Object.assign(stream, {
    connect: () => {
      setImmediate(() => stream.emit('connect'));
      return stream;
    },
    setNoDelay: () => stream,
    setKeepAlive: () => stream,
    ref: () => stream,
    unref: () => stream,
  });
}

const RELATIONS_MAX = 50_000;
const COLUMNS_MAX = 1_000_000;
