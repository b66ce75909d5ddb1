import { createHash, createPublicKey, createVerify } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Database, openStore } from '../../src/adapters/store-sqlite/database.ts';
import { IDENTITY_MIGRATION, identityStore } from '../../src/adapters/store-sqlite/identity.ts';
import { LIMITS } from '../../src/core/limits.ts';
import { type IdentityConfig, identityConfig } from '../../src/identity/config.ts';
import { createIdentity, type Identity } from '../../src/identity/identity.ts';
import type { IdentityStore, IssuerKeys } from '../../src/identity/ports.ts';
import type { IdentitySettings } from '../../src/identity/settings.ts';
import type { Credential, Identification, Where } from '../../src/identity/stage.ts';
import { newSigningKey, type SigningKey } from '../fakes/idp.ts';

export const ISSUER = 'https://idp.example.com';
export const FORGE = 'https://token.actions.githubusercontent.com';
export const GATEWAY = 'https://gw.example.com';
export const NOW = Date.UTC(2026, 10, 20, 12);
export const KEY: SigningKey = newSigningKey('test-key');
export const HERE: Where = { clientAddress: '192.0.2.7', protocol: 'postgres', target: null };

export const CONFIG: IdentityConfig = identityConfig.parse({
  providers: [
    { name: 'okta', type: 'oidc', issuer: ISSUER, client_id: 'sallyport', groups_claim: 'groups' },
    {
      name: 'github',
      type: 'workload',
      issuer: FORGE,
      require: {
        repository_id: '4242',
        ref: 'refs/heads/main',
        event_name: ['push', 'workflow_dispatch'],
        environment: 'production',
      },
      subject: 'ci:{repository_id}',
      groups: ['ci'],
      acts_for: 'actor_id',
    },
  ],
  service_accounts: [
    { name: 'nightly-backup', groups: ['backup'], person: 'owner@example.com' },
    { name: 'release-manager', groups: ['dba'], person: 'lead@example.com', may_approve: true },
  ],
  agents: [{ name: 'claude-code', groups: ['agents'], on_behalf_of: 'required' }],
  people: { 'lead@example.com': ['okta/00u-lead', 'github/900'], 'owner@example.com': [] },
});

/** Claims of a good ID token; spread over them to spoil one. */
export function idClaims(now = NOW): Record<string, unknown> {
  const at = Math.floor(now / 1_000);
  return {
    ...{ iss: ISSUER, aud: 'sallyport', sub: '00u-ann', email: 'ann@example.com', email_verified: true },
    ...{ groups: ['dev', 'dba'], iat: at - 5, exp: at + 300 },
  };
}

/** Claims of a good token of a CI job, with GitHub's names. */
export function ciClaims(now = NOW): Record<string, unknown> {
  const at = Math.floor(now / 1_000);
  return {
    ...{
      iss: FORGE,
      aud: GATEWAY,
      sub: 'repo:acme/app:environment:production',
      iat: at - 5,
      nbf: at - 5,
      exp: at + 300,
    },
    ...{ repository: 'acme/app', repository_id: '4242', repository_owner_id: '77', ref: 'refs/heads/main' },
    ...{ event_name: 'push', environment: 'production', actor_id: '900', jti: 'a-1' },
  };
}

/** A room with a store of its own, a clock that only moves when told, and one key for all issuers. */
export interface Room {
  readonly identity: Identity;
  readonly store: IdentityStore;
  readonly path: string;
  readonly warnings: readonly string[];
  /** What was waited for, in order. */
  readonly delays: readonly number[];
  now(): number;
  advance(duration_ms: number): void;
  /** Runs what is due every second, once. */
  poll(): Promise<void>;
  login(credential: Credential, where?: Partial<Where>): Promise<Identification>;
  bearer(token: string): Promise<Identification>;
  close(): Promise<void>;
}

export interface RoomOptions {
  readonly config?: IdentityConfig;
  readonly keys?: IssuerKeys;
  /** Another process on the same store. */
  readonly path?: string;
  readonly start?: number;
  /** Waiting takes no time: everything happens at one moment. */
  readonly frozen?: boolean;
  readonly wrap?: (store: IdentityStore) => IdentityStore;
}

export async function openRoom(options: RoomOptions = {}): Promise<Room> {
  const directory = options.path === undefined ? mkdtempSync(join(tmpdir(), 'sallyport-identity-')) : null;
  const path = options.path ?? join(directory ?? '', 'state.db');
  const database: Database = await openStore(path, [IDENTITY_MIGRATION]);
  const store = (options.wrap ?? ((same) => same))(identityStore(database));
  let now = options.start ?? NOW;
  const warnings: string[] = [];
  const delays: number[] = [];
  let due: () => void = () => {};
  const timers = {
    delay: async (duration_ms: number) => {
      delays.push(duration_ms);
      if (options.frozen !== true) now += duration_ms;
    },
    every: (_: number, callback: () => void) => {
      due = callback;
      return () => {};
    },
  };
  const ports = {
    store,
    keys: options.keys ?? keysOf(KEY),
    timers,
    warn: (message: string) => void warnings.push(message),
  };
  const identity = createIdentity(settings(options.config ?? CONFIG), ports, { now: () => now }, seededRandom(path));
  const login: Room['login'] = (credential, where = {}) => identity.identify(credential, { ...HERE, ...where });
  return {
    ...{ identity, store, path, warnings, delays, login },
    now: () => now,
    advance: (duration_ms) => void (now += duration_ms),
    bearer: (token) => login({ kind: 'bearer', token }),
    poll: async () => {
      due();
      await new Promise((resolve) => setImmediate(resolve));
    },
    close: async () => {
      identity.close();
      await database.close();
      if (directory !== null) rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** The issuer's signature check without the network; whatever the issuer is called, it has this key. */
export function keysOf(key: SigningKey): IssuerKeys {
  const publicKey = createPublicKey(key.key);
  return {
    verify: async (_, token) => {
      const [header = '', payload = '', signature = ''] = token.split('.');
      const good = createVerify('RSA-SHA256')
        .update(`${header}.${payload}`)
        .verify(publicKey, Buffer.from(signature, 'base64url'));
      return good ? { outcome: 'verified' } : { outcome: 'refused', why: 'the signature is wrong' };
    },
  };
}

/** Different bytes each time, the same in each run of one room. */
function seededRandom(seed: string): (bytes: number) => Buffer {
  let count = 0;
  return (bytes) => {
    const block = createHash('shake256', { outputLength: bytes });
    return block.update(`${seed}:${count++}`).digest();
  };
}

export type Identified = Identification & { outcome: 'identified' };

export function identified(result: Identification): Identified {
  if (result.outcome === 'refused') throw new Error(result.inward);
  return result;
}

/** Why it was refused, as the record says it. */
export function inward(result: Identification): string {
  return result.outcome === 'refused' ? result.inward : 'identified';
}

export function settings(config: IdentityConfig): IdentitySettings {
  return { config, publicUrl: GATEWAY, limits: LIMITS };
}
