import type { EpochMs, PrincipalId, TargetName } from '../core/ids.ts';
import type { Principal } from '../core/principal.ts';
import type { Reason } from '../core/verdict.ts';

/** Proof that somebody is who he says, in whatever form the protocol carries it. */
export type Credential =
  | { readonly kind: 'password'; readonly user: string; readonly secret: string }
  | { readonly kind: 'scram'; readonly user: string; readonly verifier: string | null }
  | { readonly kind: 'bearer'; readonly token: string };

export type ScramLogin = {
  readonly kind: 'scram-sha-256';
  readonly salt: Buffer;
  readonly iterations: number;
  readonly verifiers: readonly { readonly id: string; readonly storedKey: Buffer; readonly serverKey: Buffer }[];
};

export interface Where {
  readonly clientAddress: string;
  readonly protocol: string;
  readonly target: TargetName | null;
  /** On a target's own port any user name is accepted and means nothing; elsewhere it must be the principal's. */
  readonly anyUser?: boolean;
}

export type Identification =
  | {
      readonly outcome: 'identified';
      readonly principal: Principal;
      /** What was shown, for the record: `token:ID`, `oidc:okta`; never the secret. */
      readonly by: string;
      /** A session opened with it ends then; `null`: by its own limits only. */
      readonly endsAt: EpochMs | null;
    }
  /** `reason` is the one outward answer; `inward` says what was wrong, for the record. */
  | { readonly outcome: 'refused'; readonly reason: Reason; readonly inward: string };

/** What this room offers: who is asking, and when that ends. */
export interface IdentityStage {
  /** Which login a user name gets. Unknown names get the same as known ones. Never throws. */
  loginMethod(user: string, where?: Where): Promise<ScramLogin | { readonly kind: 'password' }>;
  /** Takes the same time whatever was wrong. */
  identify(credential: Credential, where: Where): Promise<Identification>;
  /**
   * Calls back once, within 2 s, when this identification is revoked or past its end. Wants the very object that
   * `identify` gave. Returns how to stop watching.
   */
  watch(identification: Identification & { outcome: 'identified' }, revoked: (reason: Reason) => void): () => void;
  /** Counts up with every change of identity data that a decision may depend on. */
  epoch(): number;
  /** End everything of this principal now. Resolves when it is stored. */
  revoke(principal: PrincipalId, by: Principal | 'operator'): Promise<void>;
}
