/**
 * Settings a session may change as it likes. They affect how values are shown, how long things may take and how queries
 * are planned; none changes what a text means, what a role may do, or what is logged or sent where.
 * Left out on purpose: role, session_authorization, search_path, standard_conforming_strings, backslash_quote,
 * escape_string_warning, client_encoding (only UTF-8), session_replication_role, default_transaction_read_only,
 * row_security (only off, which makes filtered reads fail), client_min_messages below notice and debug_print_*
 * (they put query trees, constants included, into notices), log_* and everything of extensions.
 */
export const HARMLESS_SETTINGS: ReadonlySet<string> = new Set(
  `application_name array_nulls bytea_output check_function_bodies datestyle deadlock_timeout
  default_statistics_target default_transaction_deferrable default_transaction_isolation extra_float_digits
  geqo geqo_threshold idle_in_transaction_session_timeout idle_session_timeout intervalstyle
  jit join_collapse_limit from_collapse_limit lc_messages lc_monetary lc_numeric lc_time lock_timeout
  max_parallel_workers_per_gather plan_cache_mode quote_all_identifiers random_page_cost seq_page_cost seed
  statement_timeout synchronize_seqscans synchronous_commit timezone timezone_abbreviations
  transaction_deferrable transaction_isolation transaction_timeout work_mem hash_mem_multiplier
  maintenance_work_mem effective_cache_size cursor_tuple_fraction temp_buffers tcp_user_timeout xmlbinary xmloption
  enable_bitmapscan enable_gathermerge enable_hashagg enable_hashjoin enable_indexonlyscan enable_indexscan
  enable_material enable_memoize enable_mergejoin enable_nestloop enable_parallel_append enable_parallel_hash
  enable_partition_pruning enable_partitionwise_aggregate enable_partitionwise_join enable_seqscan enable_sort
  enable_tidscan enable_incremental_sort enable_async_append`
    .split(/\s+/)
    .filter((name) => name !== ''),
);

/** Settings harmless only with these values (lower case, as the text gives them). */
export const HARMLESS_VALUES: Readonly<Record<string, readonly string[]>> = {
  client_encoding: ['utf8', 'utf-8', 'unicode'],
  client_min_messages: ['notice', 'warning', 'error'],
  default_transaction_read_only: ['on', 'true', 'yes', '1'],
  transaction_read_only: ['on', 'true', 'yes', '1'],
  row_security: ['off', 'false', 'no', '0'],
  standard_conforming_strings: ['on', 'true', 'yes', '1'],
};

/** Harmless to change: what names mean is asked again afterwards (classify.ts, SqlContext). */
export const PATH_SETTING = 'search_path';

/** Given to the gateway, not to the server. */
export const JUSTIFICATION_SETTING = 'sallyport.justification';

/** Whether setting it to that changes nothing that matters; `value` is `null` where the text does not say it. */
export function harmlessSetting(setting: string, value: string | null): boolean {
  const name = setting.toLowerCase();
  if (HARMLESS_SETTINGS.has(name) || name === PATH_SETTING) return true;
  return value !== null && (HARMLESS_VALUES[name]?.includes(value.toLowerCase()) ?? false);
}
