import type { Clock, IdentityStore, Random } from './ports.ts';
import type { Settings } from './settings.ts';
import type { ScramLogin, Where } from './stage.ts';
import { nobodysKeys, parametersOf } from './tokens.ts';

/**
 * Which login a user name gets. PostgreSQL's server chooses before it has seen a credential, so the choice is a function
 * of the name's shape alone and shows nobody which names exist: whatever could be a gateway account gets SCRAM, with a
 * salt of its own whether it is one or not; names that no account can have (`ann@example.com`, `okta/ann`, `ci:42`, `-`)
 * get a password prompt, for the tokens that SCRAM cannot check. Where no accounts are configured, every name gets it.
 *
 * On a target's own port any user name is good, so there a name that is no account with tokens gets the prompt, and the
 * answer shows which names are accounts. It shows no more than that.
 */
export class Logins {
  readonly #store: IdentityStore;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #warn: (message: string) => void;
  #secret: Promise<Buffer> | null = null;

  constructor(store: IdentityStore, clock: Clock, random: Random, warn: (message: string) => void) {
    this.#store = store;
    this.#clock = clock;
    this.#random = random;
    this.#warn = warn;
  }

  async method(user: string, where: Where | undefined, settings: Settings): Promise<ScramLogin | { kind: 'password' }> {
    if (settings.accounts.size === 0 || !ACCOUNT_SHAPE.test(user)) return { kind: 'password' };
    const secret = await this.serverSecret();
    // Both ways do the same work, in the same order.
    const mock = parametersOf(user, secret);
    const nobody = { id: NOBODY, ...nobodysKeys(user, secret) };
    const account = await this.#account(user);
    const live = account !== null && settings.accounts.has(user) ? account.verifiers : [];
    if (live.length === 0 && where?.anyUser === true) return { kind: 'password' };
    return {
      kind: 'scram-sha-256',
      salt: account?.salt ?? mock.salt,
      iterations: account?.iterations ?? mock.iterations,
      verifiers: live.length === 0 ? [nobody] : live,
    };
  }

  /** What mock salts are made of. While the store cannot be read nobody gets in, and one made up serves as well. */
  async serverSecret(): Promise<Buffer> {
    this.#secret ??= this.#store.secret('scram-mock', this.#random(SECRET_BYTES));
    try {
      return await this.#secret;
    } catch (error) {
      this.#secret = null;
      this.#warn(`login secret unavailable: ${messageOf(error)}`);
      return this.#random(SECRET_BYTES);
    }
  }

  async #account(user: string): ReturnType<IdentityStore['scramAccount']> {
    try {
      return await this.#store.scramAccount(user, this.#clock.now());
    } catch (error) {
      this.#warn(`login of an account could not be looked up: ${messageOf(error)}`);
      return null;
    }
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The verifier of nobody: no token has this id. */
const NOBODY = 'nobody';
const SECRET_BYTES = 32;
/** What account names may be made of (config.ts), in any case and any length a client may send. */
const ACCOUNT_SHAPE = /^[A-Za-z0-9._-]*[A-Za-z0-9._][A-Za-z0-9._-]*$/;
