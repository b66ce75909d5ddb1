/**
 * Relations of the system schemas that show data, other sessions' statements or secrets. They are no part of the
 * `catalog` that a policy may open to everybody: they lie in a schema resource of their own, `TARGET/pg_catalog.sensitive`.
 *
 * Statistics hold values of columns (most common values, histogram bounds); pg_stat_activity, cursors and prepared
 * statements hold texts with literals; pg_largeobject holds contents; the rest holds passwords, connection strings or
 * the server's own files.
 */
export const SENSITIVE_RELATIONS: ReadonlySet<string> = new Set(
  `pg_catalog.pg_statistic pg_catalog.pg_statistic_ext_data pg_catalog.pg_stats pg_catalog.pg_stats_ext
  pg_catalog.pg_stats_ext_exprs pg_catalog.pg_stat_activity pg_catalog.pg_prepared_statements pg_catalog.pg_cursors
  pg_catalog.pg_largeobject pg_catalog.pg_authid pg_catalog.pg_shadow pg_catalog.pg_user_mapping
  pg_catalog.pg_user_mappings pg_catalog.pg_hba_file_rules pg_catalog.pg_ident_file_mappings
  pg_catalog.pg_file_settings pg_catalog.pg_stat_wal_receiver
  pg_catalog.pg_prepared_xacts pg_catalog.pg_db_role_setting pg_catalog.pg_seclabel pg_catalog.pg_shseclabel
  pg_catalog.pg_stat_statements pg_catalog.pg_stat_statements_info pg_catalog.pg_replication_slots
  information_schema.user_mapping_options information_schema._pg_user_mappings
  information_schema.foreign_server_options information_schema._pg_foreign_servers
  information_schema.foreign_table_options information_schema._pg_foreign_tables
  information_schema.column_options information_schema._pg_foreign_table_columns`
    .split(/\s+/)
    .filter((name) => name !== ''),
);

export const SENSITIVE_CATALOG = 'sensitive-catalog';

/** Columns of relations that are otherwise harmless: they may hold connection strings and passwords. */
export const SENSITIVE_COLUMNS: ReadonlySet<string> = new Set([
  'pg_catalog.pg_subscription.subconninfo',
  'pg_catalog.pg_foreign_server.srvoptions',
  'pg_catalog.pg_foreign_data_wrapper.fdwoptions',
  'pg_catalog.pg_foreign_table.ftoptions',
]);
