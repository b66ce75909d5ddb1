import { house, tricks } from './tricks.ts';

const at = house();
const SECRET = 'select ssn from customers';

tricks('Q8', at, [
  ...[
    `query_to_xml('${SECRET}', true, false, '')`, `query_to_xmlschema('${SECRET}', true, false, '')`,
    `query_to_xml_and_xmlschema('${SECRET}', true, false, '')`, "table_to_xml('customers', true, false, '')",
    "table_to_xmlschema('customers', true, false, '')", "table_to_xml_and_xmlschema('customers', true, false, '')",
    "cursor_to_xml('c', 10, true, false, '')", "cursor_to_xmlschema('c', true, false, '')", "schema_to_xml('public', true, false, '')",
    "schema_to_xmlschema('public', true, false, '')", "schema_to_xml_and_xmlschema('public', true, false, '')",
    "database_to_xml(true, false, '')", "database_to_xmlschema(true, false, '')", "database_to_xml_and_xmlschema(true, false, '')",
    "ts_stat('select to_tsvector(ssn) from customers')", "ts_stat('delete from victims', 'a')",
    "ts_rewrite('a'::tsquery, 'select ssn::tsquery, plan::tsquery from customers')", "crosstab('select id, plan, ssn from customers')",
    "crosstab2('select ssn from customers')", "crosstab3('x')", "crosstab4('x')", "connectby('customers', 'id', 'ssn', '1', 0)",
    "dblink('dbname=crm', 'select ssn from customers')", "dblink_exec('drop table victims')", "dblink_open('c', 'select ssn from customers')",
    "dblink_send_query('x', 'select ssn from customers')", "xpath_table('id', 'ssn', 'customers', '/', 'true')",
    "dblink_connect('dbname=crm')", "dblink_build_sql_insert('customers', '1', 1, '{1}', '{2}')",
  ].map((call) => {
    const name = call.slice(0, call.indexOf('('));
    return { name: call.length > 60 ? `${call.slice(0, 57)}...` : call, sql: `select ${call}`, never: `${name}(` };
  }),
  { name: 'query_to_xml in FROM', sql: `select * from query_to_xml('${SECRET}', true, false, '')`, never: 'query_to_xml(' },
  { name: 'query_to_xml with its schema', sql: `select pg_catalog.query_to_xml('${SECRET}', true, false, '')`, never: 'query_to_xml(' },
  { name: 'query_to_xml in upper case', sql: `select QUERY_TO_XML('${SECRET}', true, false, '')`, never: 'query_to_xml(' },
  { name: 'query_to_xml with named arguments', sql: `select query_to_xml(query => '${SECRET}', nulls => true, tableforest => false, targetns => '')`, never: 'query_to_xml(' },
  { name: 'query_to_xml of a text put together', sql: "select query_to_xml('select s' || 'sn from customers', true, false, '')", never: 'query_to_xml(' },
  { name: 'query_to_xml of a parameter', sql: "select query_to_xml(note, true, false, '') from notes", never: 'query_to_xml(' },
  { name: 'query_to_xml in a CTE, a lateral and a WHERE', sql: `with q as (select 1) select * from q, lateral (select 1 where query_to_xml('${SECRET}', true, false, '') is not null) l`, never: 'query_to_xml(' },
  { name: 'table_to_xml of a name computed', sql: "select table_to_xml(c.oid, true, false, '') from pg_class c where relname = 'cust' || 'omers'", never: 'table_to_xml(' },
  { name: 'a column notation of a function', sql: 'select (c).query_to_xml from customers c', never: ').query_to_xml' },
]); // biome-ignore format: a table
