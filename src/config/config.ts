import type { EpochMs, GroupId, PrincipalId, TargetName } from '../core/ids.ts';
import type { Limits } from '../core/limits.ts';
import type { IdentityConfig } from '../identity/config.ts';
import type { SecretRef } from './secret.ts';
import type { Address } from './values.ts';

/** The configuration as the gateway uses it: every path absolute, every default filled in, frozen to the last leaf. */
export interface Config {
  readonly gateway: GatewayConfig;
  readonly listeners: ListenersConfig;
  /** As the identity room reads it, without secrets. */
  readonly identity: IdentityConfig;
  /** `client_secret` by provider. */
  readonly clientSecrets: Readonly<Record<string, SecretRef>>;
  readonly targets: readonly TargetConfig[];
  /** Absolute paths of Cedar files, in order. */
  readonly policies: readonly string[];
  readonly labelsRequired: readonly string[];
  readonly durability: 'writes' | 'strict' | 'batched';
  readonly approvals: { readonly url: string | null };
  readonly limits: Limits;
  /** The file it came from, and everything whose change changes it. */
  readonly source: ConfigSource;
}

export interface ConfigSource {
  readonly path: string;
  readonly directory: string;
  /** Absolute paths of every file read, this one first, policies included. */
  readonly files: readonly string[];
  /** Directories in which a new file could match a pattern. */
  readonly directories: readonly string[];
  /** The patterns that look there. */
  readonly patterns: readonly string[];
}

export interface GatewayConfig {
  readonly name: string;
  readonly dataDir: string;
  /** `null`: derived from the API's listener once it listens. */
  readonly publicUrl: string | null;
  readonly tls:
    | { readonly kind: 'auto' }
    | { readonly kind: 'files'; readonly cert: string; readonly key: string }
    | { readonly kind: 'off' };
  readonly store: { readonly kind: 'sqlite'; readonly path: string };
  readonly insecureLoopback: boolean;
}

export interface ListenersConfig {
  readonly api: Address | null;
  readonly postgres: Address | null;
}

export interface TargetConfig {
  readonly name: TargetName;
  readonly protocol: 'postgres';
  readonly address: Address;
  readonly listen: Address | null;
  readonly tls: 'off' | 'require' | 'verify-full';
  /** Absolute path of a PEM file; `null`: the system's own CAs. */
  readonly ca: string | null;
  readonly database: string;
  /** Other databases that may be named; `null`: any, and the policy decides. */
  readonly databases: readonly string[] | null;
  /** First match wins; nobody matches: not opened. */
  readonly credentials: readonly CredentialConfig[];
  readonly catalogCredential: LoginConfig;
  readonly labels: Readonly<Record<string, string>>;
  readonly mode: { readonly kind: 'enforce' } | { readonly kind: 'observe'; readonly until: EpochMs };
  readonly classify: readonly { readonly column: string; readonly label: string }[];
  readonly sessionMax_ms: number | null;
}

export interface LoginConfig {
  readonly user: string;
  readonly password: SecretRef;
  readonly auth: 'scram-sha-256' | 'md5' | 'cleartext';
}

export interface CredentialConfig extends LoginConfig {
  /** `null`: everyone. */
  readonly for: { readonly groups: readonly GroupId[]; readonly principals: readonly PrincipalId[] } | null;
}

/** The credential a principal gets at a target, or `null` where none is for it. */
export function credentialFor(
  target: Pick<TargetConfig, 'credentials'>,
  principal: { readonly id: PrincipalId; readonly groups: readonly GroupId[] },
): CredentialConfig | null {
  for (const credential of target.credentials) {
    if (credential.for === null) return credential;
    if (credential.for.principals.includes(principal.id)) return credential;
    if (credential.for.groups.some((group) => principal.groups.includes(group))) return credential;
  }
  return null;
}

/** Labels as policies spell them: `env/prod`. */
export function labelIds(labels: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(labels).map(([name, value]) => `${name}/${value}`);
}
