import { type PostgresServer, SUPERUSER } from '../servers/postgres.ts';
import { BENCH_USER } from './peers.ts';
import { command } from './pgbench.ts';

/** pgbench's own tables, and a wide one for bulk reads. */
export async function prepare(server: PostgresServer): Promise<void> {
  const admin = await server.client();
  await admin.query(`create role ${BENCH_USER} login password 'bench'`);
  await admin.query(`create database bench owner ${BENCH_USER}`);
  await admin.end();
  const to = ['-h', '127.0.0.1', '-p', String(server.port), '-U', SUPERUSER];
  await command('pgbench', ['-i', '-q', '-s', '10', ...to, 'bench'], process.env);
  const wide = await server.client('bench');
  await wide.query(WIDE_SQL);
  await wide.end();
}

export const WIDE_ROWS = 1_000_000;

/** About 100 bytes a row in eight columns, as text on the wire. */
const WIDE_SQL = `
create table wide as
select i as c1, i * 7 as c2, 'customer-' || i as c3, 'c' || i || '@example.com' as c4,
       date '2020-01-01' + i % 1000 as c5, (i % 100000) / 100.0 as c6, i % 2 = 0 as c7, md5(i::text) as c8
from generate_series(1, ${WIDE_ROWS}) i;
grant select on all tables in schema public to ${BENCH_USER};
analyze;
`;
