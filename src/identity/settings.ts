import { GatewayError } from '../core/errors.ts';
import type { Limits } from '../core/limits.ts';
import type { Principal } from '../core/principal.ts';
import { checkIdentity } from './check.ts';
import {
  type AgentConfig,
  ALGORITHMS,
  durationMs,
  type IdentityConfig,
  type OidcConfig,
  OWN_PROVIDER,
  type ServiceAccountConfig,
  type WorkloadConfig,
} from './config.ts';
import { People } from './principals.ts';

export interface IdentitySettings {
  readonly config: IdentityConfig;
  readonly publicUrl: string | null;
  readonly limits: Limits;
}

/** A provider with its defaults filled in. */
export interface Provider {
  readonly line: OidcConfig | WorkloadConfig;
  readonly audience: string;
  readonly algorithms: readonly string[];
  readonly session_ms: number;
  readonly tokenAge_ms: number;
}

export type Account =
  | { readonly kind: 'service'; readonly line: ServiceAccountConfig }
  | { readonly kind: 'agent'; readonly line: AgentConfig };

/** One configuration, ready for use and never changed: a login sees one from beginning to end. */
export class Settings {
  readonly limits: Limits;
  readonly people: People;
  readonly providers: readonly Provider[];
  readonly accounts: ReadonlyMap<string, Account>;
  readonly tokenTtl_ms: number;
  readonly #lines = new Map<string, string>();

  constructor({ config, publicUrl, limits }: IdentitySettings) {
    const errors = checkIdentity(config, publicUrl).filter(({ severity }) => severity === 'error');
    if (errors.length > 0) {
      const text = errors.map(({ path, message }) => `identity.${path.join('.')}: ${message}`).join('; ');
      throw new GatewayError('CONFIG_INVALID', text);
    }
    this.limits = limits;
    this.people = new People(config);
    this.tokenTtl_ms = durationMs(config.token_ttl_max ?? '90d');
    this.providers = (config.providers ?? [])
      .filter((line) => line.type !== 'saml')
      .map((line) => ({
        line,
        audience: line.type === 'oidc' ? line.client_id : (line.audience ?? publicUrl ?? ''),
        algorithms: line.algorithms ?? ALGORITHMS,
        session_ms: durationMs(line.session_max ?? (line.type === 'oidc' ? '12h' : '1h')),
        tokenAge_ms: durationMs(line.token_age_max ?? '24h'),
      }));
    this.accounts = new Map<string, Account>([
      ...(config.service_accounts ?? []).map((line) => [line.name, { kind: 'service', line }] as const),
      ...(config.agents ?? []).map((line) => [line.name, { kind: 'agent', line }] as const),
    ]);
    const people = config.people ?? {};
    for (const { line, audience } of this.providers) {
      this.#lines.set(line.name, JSON.stringify([line, audience, people]));
    }
    for (const { line } of this.accounts.values()) {
      this.#lines.set(`${OWN_PROVIDER}/${line.name}`, JSON.stringify([line, people]));
    }
  }

  /** The configuration that lets this principal in, as text; `null`: none does. Whoever acts for others rests on theirs too. */
  restsOn(principal: Principal): string | null {
    const key = principal.provider === OWN_PROVIDER ? principal.id : principal.provider;
    const own = this.#lines.get(key) ?? null;
    if (own === null || principal.onBehalfOf === null) return own;
    const other = this.restsOn(principal.onBehalfOf);
    return other === null ? null : `${own}\n${other}`;
  }
}
