import { GatewayError } from '../core/errors.ts';
import type { EpochMs, PrincipalId } from '../core/ids.ts';
import type { Principal } from '../core/principal.ts';
import type { Reason } from '../core/verdict.ts';
import { Logins, messageOf } from './login.ts';
import type { Clock, IdentityPorts, Random } from './ports.ts';
import { type Proven, prove } from './prove.ts';
import { CHANGED, EXPIRED, REFUSED, UNAVAILABLE } from './reasons.ts';
import { idOf, type NewToken, TokenRegistry, type TokenRequest, type TokenView } from './registry.ts';
import { type Evidence, Watchers } from './revocations.ts';
import { type IdentitySettings, Settings } from './settings.ts';
import type { Credential, Identification, IdentityStage, ScramLogin, Where } from './stage.ts';
import { Throttle } from './throttle.ts';
import { throttleKeys } from './throttle-keys.ts';

/** The room as compose, CLI and API see it. */
export interface Identity extends IdentityStage {
  /** Takes a new configuration over whole, or throws CONFIG_INVALID. Sessions whose own line has changed end. */
  configure(settings: IdentitySettings): void;
  createToken(request: TokenRequest): Promise<NewToken>;
  /** `null`: of all accounts. */
  listTokens(account: string | null): Promise<readonly TokenView[]>;
  /** Ends the token and its sessions. Throws USAGE when there is no such live token. */
  revokeToken(id: string, by: Principal | 'operator'): Promise<void>;
  close(): void;
}

export function createIdentity(
  settings: IdentitySettings,
  ports: IdentityPorts,
  clock: Clock,
  random: Random,
): Identity {
  return new IdentityRoom(settings, ports, clock, random);
}

type Identified = Identification & { outcome: 'identified' };

class IdentityRoom implements Identity {
  readonly #ports: IdentityPorts;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #logins: Logins;
  readonly #registry: TokenRegistry;
  readonly #throttle: Throttle;
  readonly #watchers = new Watchers();
  /** What each identification rests on. Only the object that was given out can be watched. */
  readonly #evidence = new WeakMap<Identified, { readonly evidence: Evidence; readonly restsOn: string | null }>();
  readonly #touched = new Map<string, EpochMs>();
  readonly #stopPolling: () => void;
  #settings: Settings;
  #epoch = 0;
  #sequence = 0;
  #polling = false;
  #polledAt: EpochMs;

  constructor(settings: IdentitySettings, ports: IdentityPorts, clock: Clock, random: Random) {
    this.#settings = new Settings(settings);
    this.#ports = ports;
    this.#clock = clock;
    this.#random = random;
    this.#logins = new Logins(ports.store, clock, random, (message) => ports.warn(message));
    this.#registry = new TokenRegistry(ports.store, clock, random);
    const { login_buckets_max, login_delay_ms } = settings.limits;
    this.#throttle = new Throttle({ ...FAILURES, delay_ms_max: login_delay_ms, buckets_max: login_buckets_max });
    this.#polledAt = clock.now();
    this.#stopPolling = ports.timers.every(POLL_MS, () => void this.#poll());
  }

  loginMethod(user: string, where?: Where): Promise<ScramLogin | { readonly kind: 'password' }> {
    return this.#logins.method(user, where, this.#settings);
  }

  async identify(credential: Credential, where: Where): Promise<Identification> {
    const settings = this.#settings;
    const keys = throttleKeys(credential, where);
    const wait_ms = this.#throttle.charge(keys, this.#clock.now());
    if (wait_ms > 0) await this.#ports.timers.delay(wait_ms);
    const startedAt = this.#clock.now();
    const proven = await this.#prove(credential, where, settings);
    if (proven.outcome === 'refused') {
      await this.#ports.timers.delay(this.#untilAnswer(startedAt));
      return { outcome: 'refused', reason: REFUSED, inward: proven.why };
    }
    this.#throttle.payBack(keys, this.#clock.now());
    const { evidence, by } = proven;
    this.#touch(evidence);
    const identified: Identified = {
      outcome: 'identified',
      principal: evidence.principal,
      by,
      endsAt: evidence.endsAt,
    };
    this.#evidence.set(identified, { evidence, restsOn: settings.restsOn(evidence.principal) });
    return identified;
  }

  watch(identification: Identified, revoked: (reason: Reason) => void): () => void {
    const known = this.#evidence.get(identification);
    if (known === undefined) throw new Error('only what identify gave can be watched');
    const { evidence, restsOn } = known;
    const stop = this.#watchers.watch(evidence, revoked);
    // The configuration may have changed since, and then nobody told this one.
    if (this.#settings.restsOn(evidence.principal) !== restsOn) {
      queueMicrotask(() => this.#watchers.end((watched) => watched === evidence, CHANGED));
    }
    return stop;
  }

  epoch(): number {
    return this.#epoch;
  }

  async revoke(principal: PrincipalId, by: Principal | 'operator'): Promise<void> {
    const at = this.#clock.now();
    await this.#ports.store.revokePrincipal(principal, at, idOf(by));
    this.#epoch += 1;
    this.#watchers.announce([{ scope: 'principal', subject: principal, at }]);
  }

  configure(settings: IdentitySettings): void {
    const before = this.#settings;
    const after = new Settings(settings);
    this.#settings = after;
    this.#epoch += 1;
    this.#watchers.end(({ principal }) => after.restsOn(principal) !== before.restsOn(principal), CHANGED);
  }

  async createToken(request: TokenRequest): Promise<NewToken> {
    return this.#registry.create(request, this.#settings, await this.#logins.serverSecret());
  }

  listTokens(account: string | null): Promise<readonly TokenView[]> {
    return this.#registry.list(account);
  }

  async revokeToken(id: string, by: Principal | 'operator'): Promise<void> {
    const at = this.#clock.now();
    if (!(await this.#ports.store.revokeToken(id, at, idOf(by)))) {
      throw new GatewayError('USAGE', `no token ${id} is left to revoke`);
    }
    this.#epoch += 1;
    this.#watchers.announce([{ scope: 'token', subject: id, at }]);
  }

  close(): void {
    this.#stopPolling();
  }

  /** A failure of what this room depends on is a refusal; anything else that is thrown is a bug. */
  async #prove(credential: Credential, where: Where, settings: Settings): Promise<Proven> {
    try {
      return await prove(credential, where, settings, this.#ports, this.#clock);
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      this.#ports.warn(`a login was refused: ${error.message}`);
      return { outcome: 'refused', why: `${error.code}: ${error.message}` };
    }
  }

  /**
   * Refusals leave at whole multiples of the step after the question, give or take: an early check and a late one look
   * alike, and what takes longer than one step (an issuer is asked for its keys) shows in steps only.
   */
  #untilAnswer(startedAt: EpochMs): number {
    const spent_ms = Math.max(0, this.#clock.now() - startedAt);
    const jitter_ms = (this.#random(1)[0] ?? 0) % JITTER_MS;
    return (Math.floor(spent_ms / FAILURE_STEP_MS) + 1) * FAILURE_STEP_MS - spent_ms + jitter_ms;
  }

  /** When a token was last used is worth knowing to the nearest minutes, not worth a write for each login. */
  #touch({ token }: Evidence): void {
    if (token === null) return;
    const now = this.#clock.now();
    if (now - (this.#touched.get(token) ?? 0) < TOUCH_MS) return;
    if (this.#touched.size >= TOUCHED_MAX) this.#touched.clear();
    this.#touched.set(token, now);
    this.#ports.store.touchToken(token, now).catch((error: unknown) => {
      this.#ports.warn(`the last use of token ${token} could not be noted: ${messageOf(error)}`);
    });
  }

  /** What other processes revoked, and what has run out. */
  async #poll(): Promise<void> {
    if (this.#polling) return;
    this.#polling = true;
    try {
      const revocations = await this.#ports.store.revocationsAfter(this.#sequence);
      this.#sequence = revocations.at(-1)?.sequence ?? this.#sequence;
      this.#polledAt = this.#clock.now();
      if (revocations.length > 0) this.#epoch += 1;
      this.#watchers.announce(revocations);
    } catch (error) {
      this.#ports.warn(`revocations could not be read: ${messageOf(error)}`);
      // Whoever was revoked meanwhile would go on: without a word from the store nobody does.
      if (this.#clock.now() - this.#polledAt >= LEASE_MS) this.#watchers.end(() => true, UNAVAILABLE);
    } finally {
      this.#polling = false;
    }
    const now = this.#clock.now();
    this.#watchers.end(({ endsAt }) => now >= endsAt, EXPIRED);
  }
}

const POLL_MS = 1_000;
const LEASE_MS = 10_000;
const FAILURE_STEP_MS = 50;
const JITTER_MS = 25;
const TOUCH_MS = 10 * 60_000;
const TOUCHED_MAX = 10_000;
const FAILURES = { burst: 50, perSecond: 10 };
