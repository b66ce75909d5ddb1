/** Everything has a limit, and this is its name. Units come last: `_bytes`, `_ms`, `_max` for counts. */
export interface Limits {
  // Connections
  readonly connections_max: number;
  readonly connections_per_address_max: number;
  /** From accept to the end of the login. */
  readonly handshake_ms: number;
  /** Connecting to a target, its TLS and its login. */
  readonly dial_ms: number;
  /** How long a client may leave bytes unread while more wait for it. `0`: for ever. */
  readonly write_stall_ms: number;
  /** How long live sessions may finish after a stop was asked for. */
  readonly drain_ms: number;
  // Wire protocols
  /** The longest message before the login. */
  readonly startup_bytes_max: number;
  readonly password_bytes_max: number;
  /** The longest single message from a client. */
  readonly message_bytes_max: number;
  /** The longest message from a target that has to be seen whole (rows pass through in pieces). */
  readonly target_message_bytes_max: number;
  readonly columns_max: number;
  readonly statements_max: number;
  readonly portals_max: number;
  /** What a client may send while an action of it is held. */
  readonly held_bytes_max: number;
  /** Actions gathered into one request. */
  readonly batch_actions_max: number;
  /** Messages of one pipeline that may await their answers. */
  readonly pipeline_messages_max: number;
  // Identity
  /** The longest token of an identity provider. */
  readonly identity_token_bytes_max: number;
  readonly groups_per_principal_max: number;
  /** Live gateway tokens of one account: a SCRAM proof is tried against each. */
  readonly tokens_per_account_max: number;
  /** Addresses and names whose failed logins are remembered. */
  readonly login_buckets_max: number;
  /** The longest that failed logins slow down the next one. */
  readonly login_delay_ms: number;
  readonly provider_fetch_ms: number;
  readonly provider_response_bytes_max: number;
  // SQL
  readonly statement_bytes_max: number;
  readonly statement_nesting_max: number;
  readonly classifications_max: number;
  /** A catalogue older than this is read again before it is used. */
  readonly catalogue_refresh_ms: number;
  /** Reading a catalogue, connecting included. */
  readonly catalogue_read_ms: number;
  // Policy
  readonly policy_text_bytes_max: number;
  readonly policy_nesting_max: number;
  readonly verdicts_max: number;
  // Approval
  readonly hold_notice_ms: number;
  readonly hold_silent_ms: number;
  readonly hold_in_transaction_ms: number;
  readonly held_sessions_max: number;
  readonly held_sessions_per_principal_max: number;
  readonly justification_bytes_max: number;
  /** The longest statement or parameter that an approver is shown; a longer one cannot be approved. */
  readonly shown_text_bytes_max: number;
  /** All that one request shows. */
  readonly shown_request_bytes_max: number;
  /** How often a held action looks for what other processes wrote into the store. */
  readonly store_poll_ms: number;
  // Record
  readonly entry_bytes_max: number;
  readonly result_bytes_recorded_max: number;
  readonly reserve_bytes: number;
  /** A sealed field of more than this lies in a blob of its own. */
  readonly sealed_field_bytes_max: number;
  /** The journal is retired (its sealed fields moved to their sessions) at this length or age. */
  readonly journal_bytes_max: number;
  readonly journal_age_ms: number;
  /** Entries that wait in memory for their tile; beyond this nothing more is accepted. */
  readonly unpublished_bytes_max: number;
  readonly publish_interval_ms: number;
  /** Under `batched`, and for reads: how long written entries may wait to be synced. */
  readonly sync_interval_ms: number;
  /** How long entries may stay without a signed checkpoint before nothing more is accepted. */
  readonly unsigned_ms_max: number;
  /** Entries that may wait for one slow listener of the live tail. */
  readonly live_entries_max: number;
  /** Entries that one search looks at. */
  readonly search_entries_max: number;
  /** The newest entries that the index of sessions is made of at the start. */
  readonly index_entries_max: number;
  /** Sessions that the index remembers; the oldest ended ones are forgotten first. */
  readonly sessions_indexed_max: number;
  // API
  readonly request_body_bytes_max: number;
  readonly page_items_max: number;
  /** From one address; twice as many at once. */
  readonly requests_per_second_max: number;
  /** Live tails open at once. */
  readonly tails_max: number;
  /** What may wait for the reader of a tail before it is dropped. */
  readonly tail_bytes_max: number;
}

const KIB = 1024;
const MIB = 1024 * KIB;

export const LIMITS: Limits = {
  connections_max: 10_000,
  connections_per_address_max: 5_000,
  handshake_ms: 10_000,
  dial_ms: 10_000,
  write_stall_ms: 0,
  drain_ms: 30_000,
  // PostgreSQL's own MAX_STARTUP_PACKET_LENGTH (libpq/pqcomm.h).
  startup_bytes_max: 10_000,
  // A JWT laden with groups exceeds 4 KiB; PostgreSQL itself takes 65,535 (PG_MAX_AUTH_TOKEN_LENGTH).
  password_bytes_max: 65_535,
  message_bytes_max: 64 * MIB,
  target_message_bytes_max: 64 * MIB,
  // PostgreSQL's MaxTupleAttributeNumber.
  columns_max: 1_664,
  statements_max: 10_000,
  portals_max: 1_000,
  held_bytes_max: 4 * MIB,
  batch_actions_max: 10_000,
  pipeline_messages_max: 100_000,
  identity_token_bytes_max: 32 * KIB,
  groups_per_principal_max: 1_000,
  tokens_per_account_max: 50,
  login_buckets_max: 20_000,
  login_delay_ms: 3_000,
  provider_fetch_ms: 5_000,
  provider_response_bytes_max: 256 * KIB,
  statement_bytes_max: MIB,
  // The compiled parser overflows its stack from about 700 nested subqueries on.
  statement_nesting_max: 400,
  classifications_max: 20_000,
  catalogue_refresh_ms: 300_000,
  catalogue_read_ms: 20_000,
  policy_text_bytes_max: 16 * MIB,
  policy_nesting_max: 64,
  verdicts_max: 50_000,
  hold_notice_ms: 30_000,
  hold_silent_ms: 60_000,
  hold_in_transaction_ms: 60_000,
  held_sessions_max: 5_000,
  held_sessions_per_principal_max: 100,
  justification_bytes_max: 4 * KIB,
  shown_text_bytes_max: 64 * KIB,
  shown_request_bytes_max: MIB,
  store_poll_ms: 1_000,
  entry_bytes_max: 60 * KIB,
  result_bytes_recorded_max: 256 * KIB,
  reserve_bytes: 64 * MIB,
  sealed_field_bytes_max: 60 * KIB,
  journal_bytes_max: 4 * MIB,
  journal_age_ms: 10_000,
  unpublished_bytes_max: 256 * MIB,
  publish_interval_ms: 1_000,
  sync_interval_ms: 10,
  unsigned_ms_max: 60_000,
  live_entries_max: 1_000,
  search_entries_max: 1_000_000,
  index_entries_max: 2_000_000,
  sessions_indexed_max: 100_000,
  request_body_bytes_max: MIB,
  page_items_max: 200,
  requests_per_second_max: 100,
  tails_max: 200,
  tail_bytes_max: MIB,
};
