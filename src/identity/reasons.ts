import type { Reason } from '../core/verdict.ts';

/** The one answer to everybody who did not prove who he is: it must not say what was wrong. */
export const REFUSED: Reason = Object.freeze({
  code: 'IDENTITY_REFUSED',
  rule: null,
  why: 'these credentials open no session here',
  hint: "check user name and target; with an identity provider's token the user name is your e-mail address, or -",
  cure: null,
  retry: 'never',
  request: null,
});

export const REVOKED: Reason = Object.freeze({
  code: 'IDENTITY_REVOKED',
  rule: null,
  why: 'this identity was revoked',
  hint: 'sign in again, or ask the operator of the gateway',
  cure: null,
  retry: 'never',
  request: null,
});

/** For sessions whose line of the configuration has changed: groups they were let in with may be gone. */
export const CHANGED: Reason = Object.freeze({
  code: 'IDENTITY_REVOKED',
  rule: null,
  why: 'what the gateway knows of this identity has changed',
  hint: 'connect again',
  cure: null,
  retry: 'later',
  request: null,
});

/** For sessions that nobody could tell to be revoked. */
export const UNAVAILABLE: Reason = Object.freeze({
  code: 'IDENTITY_UNAVAILABLE',
  rule: null,
  why: 'the gateway cannot tell whether this identity is still good',
  hint: 'try again in a moment',
  cure: null,
  retry: 'later',
  request: null,
});

export const EXPIRED: Reason = Object.freeze({
  code: 'IDENTITY_EXPIRED',
  rule: null,
  why: 'what this session was opened with has expired',
  hint: 'sign in again',
  cure: null,
  retry: 'never',
  request: null,
});
