/** Functions that run SQL they are given as text, or read relations they are given by name (THREATS: Q8). */
export const TAKES_SQL: ReadonlySet<string> = names(`
  query_to_xml query_to_xmlschema query_to_xml_and_xmlschema table_to_xml table_to_xmlschema
  table_to_xml_and_xmlschema cursor_to_xml cursor_to_xmlschema schema_to_xml schema_to_xmlschema
  schema_to_xml_and_xmlschema database_to_xml database_to_xmlschema database_to_xml_and_xmlschema
  ts_stat ts_rewrite dblink dblink_exec dblink_open dblink_fetch dblink_send_query dblink_get_result
  dblink_build_sql_insert dblink_build_sql_update dblink_build_sql_delete
  crosstab crosstab2 crosstab3 crosstab4 crosstabn connectby xpath_table postgres_fdw_get_connections
  cron_schedule plpgsql_check_function plpgsql_check_function_tb pg_execute_server_program`);

/** Functions of pg_catalog that act on the server: its files, processes, configuration, log and replication. */
export const ADMINISTERS: ReadonlySet<string> = names(`
  pg_read_file pg_read_binary_file pg_stat_file pg_ls_dir pg_ls_logdir pg_ls_waldir pg_ls_archive_statusdir
  pg_ls_tmpdir pg_ls_logicalsnapdir pg_ls_logicalmapdir pg_ls_replslotdir pg_ls_summariesdir
  pg_file_write pg_file_rename pg_file_unlink pg_file_sync lo_import lo_export set_config
  pg_reload_conf pg_rotate_logfile pg_rotate_logfile_v2 pg_terminate_backend pg_cancel_backend
  pg_log_backend_memory_contexts pg_promote pg_switch_wal pg_create_restore_point pg_backup_start pg_backup_stop
  pg_start_backup pg_stop_backup pg_wal_replay_pause pg_wal_replay_resume pg_logical_emit_message
  pg_create_physical_replication_slot pg_create_logical_replication_slot pg_copy_physical_replication_slot
  pg_copy_logical_replication_slot pg_drop_replication_slot pg_replication_slot_advance pg_sync_replication_slots
  pg_logical_slot_get_changes pg_logical_slot_peek_changes pg_logical_slot_get_binary_changes
  pg_logical_slot_peek_binary_changes pg_replication_origin_create pg_replication_origin_drop
  pg_replication_origin_advance pg_replication_origin_session_setup pg_replication_origin_session_reset
  pg_replication_origin_xact_setup pg_replication_origin_xact_reset pg_export_snapshot
  pg_stat_reset pg_stat_reset_shared pg_stat_reset_single_table_counters pg_stat_reset_single_function_counters
  pg_stat_reset_slru pg_stat_reset_replication_slot pg_stat_reset_subscription_stats pg_stat_reset_backend_stats
  pg_import_system_collations pg_extension_config_dump binary_upgrade_set_next_pg_type_oid
  pg_restore_relation_stats pg_restore_attribute_stats pg_clear_relation_stats pg_clear_attribute_stats
  pg_set_attribute_stats pg_set_relation_stats pg_nextoid`);

/**
 * Functions that show what no relation shows by their names: other sessions' statements, statistics with values in them, large
 * objects, raw pages and log records (contrib: pg_stat_statements, pageinspect, pg_walinspect).
 */
export const SHOWS_EVERYTHING: ReadonlySet<string> = names(`
  pg_stat_get_activity pg_stat_get_backend_activity pg_prepared_statement pg_prepared_xact pg_cursor pg_mcv_list_items
  pg_stat_statements pg_show_all_file_settings pg_hba_file_rules pg_ident_file_mappings pg_stat_get_wal_receiver
  lo_get loread lo_open get_raw_page heap_page_items heap_page_item_attrs tuple_data_split bt_page_items
  brin_page_items gin_leafpage_items gin_page_items gist_page_items gist_page_items_bytea hash_page_items
  pg_get_wal_record_info pg_get_wal_records_info pg_get_wal_records_info_till_end_of_wal pg_get_wal_block_info`);

/** With a literal name these act on that sequence. */
export const SEQUENCE_WRITES: ReadonlySet<string> = names('nextval setval');
export const SEQUENCE_READS: ReadonlySet<string> = names('currval pg_sequence_last_value pg_get_sequence_data');

function names(list: string): ReadonlySet<string> {
  return new Set(list.split(/\s+/).filter((name) => name !== ''));
}
