/** Names for strings, so that a signature says which string it wants. They are plain strings at run time. */

/** `PROVIDER/subject`: who somebody is, immutable at the provider. */
export type PrincipalId = string;
/** The id of the human behind a principal; two principals of one human share it. */
export type PersonId = string;
/** `PROVIDER/name`, or a bare name for the gateway's own groups and those of providers with `groups: trusted`. */
export type GroupId = string;
export type TargetName = string;
export type SessionId = string;
export type RunId = string;
export type ActionId = string;
export type RequestId = string;
export type GrantId = string;
/** The `@id` of a policy. */
export type RuleId = string;
/** Lower-case hexadecimal SHA-256, 64 characters. */
export type Sha256 = string;
/** Milliseconds since 1970-01-01T00:00:00Z. */
export type EpochMs = number;
/** The position of an entry in this gateway's log, from 0. */
export type EntryIndex = number;
export type ProtocolName = 'postgres' | 'mysql' | 'ssh' | 'kubernetes' | 'http';
