import type { ProtocolName, TargetName } from '../core/ids.ts';
import type { Principal } from '../core/principal.ts';
import type { Resource } from '../core/resource.ts';
import type { Upstream } from '../protocols/protocol.ts';
import type { Address } from './dial.ts';

/** A target as the data path needs it; `compose` makes it from the config. */
export interface Target {
  readonly name: TargetName;
  readonly protocol: ProtocolName;
  readonly address: Address;
  readonly tls: Upstream['tls'];
  /** PEM; `null`: the system's roots. */
  readonly ca: string | null;
  readonly serverName: string;
  readonly database: string;
  /** Other databases that may be named; `null`: any, and the policy decides. */
  readonly databases: readonly string[] | null;
  readonly resource: Resource;
  readonly credentials: readonly TargetCredential[];
  /** Reads pg_catalog for the gateway itself. */
  readonly catalogue: Pick<TargetCredential, 'user' | 'auth' | 'password'>;
  /** Pinned on every session at the target. */
  readonly settings: Readonly<Record<string, string>>;
  /** A session ends after that, whatever it is doing; `null`: it does not. */
  readonly sessionMax_ms: number | null;
}

export interface TargetCredential {
  readonly groups: readonly string[] | null;
  readonly principals: readonly string[] | null;
  readonly user: string;
  readonly auth: Upstream['auth'];
  /** Read when it is used, kept by nobody. */
  password(): Promise<string>;
}

/** The first credential meant for this principal, or `null`. */
export function credentialFor(target: Target, principal: Principal): TargetCredential | null {
  return (
    target.credentials.find(
      ({ groups, principals }) =>
        (groups === null && principals === null) ||
        (groups?.some((group) => principal.groups.includes(group)) ?? false) ||
        (principals?.includes(principal.id) ?? false),
    ) ?? null
  );
}

/** `crm` or `crm/otherdb`, as a client's database name says it. */
export function parseTargetName(name: string): { readonly target: TargetName; readonly database: string | null } {
  const slash = name.indexOf('/');
  if (slash < 0) return { target: name, database: null };
  return { target: name.slice(0, slash), database: name.slice(slash + 1) };
}
