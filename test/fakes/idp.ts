import { type ChildProcess, fork } from 'node:child_process';
import {
  createHmac,
  createPublicKey,
  createSign,
  generateKeyPairSync,
  type JsonWebKey,
  type KeyObject,
} from 'node:crypto';
import { once } from 'node:events';

/** A private signing key under a key id. */
export interface SigningKey {
  readonly kid: string;
  readonly key: KeyObject;
}

export function newSigningKey(kid: string): SigningKey {
  return { kid, key: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey };
}

/** Real HTTP discovery, keys and tokens: oidc-provider in a process of its own, whose keys the test has too. */
export interface FakeIdp {
  readonly issuer: string;
  /** From now on it publishes these keys and signs with the first one. */
  useKeys(keys: readonly SigningKey[]): Promise<void>;
  /** Nobody answers at its port any more. */
  goAway(): Promise<void>;
  comeBack(): Promise<void>;
  /** An ID token that the provider itself issued. */
  token(user: string, client?: string): Promise<string>;
  close(): Promise<void>;
}

export async function startIdp(keys: readonly SigningKey[]): Promise<FakeIdp> {
  const child = fork(new URL('./idp-process.mjs', import.meta.url), {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    execArgv: ['--no-warnings'],
  });
  const ask = asking(child);
  const issuer = String(await ask('start', privateSet(keys)));
  return {
    issuer,
    useKeys: async (next) => void (await ask('keys', privateSet(next))),
    goAway: async () => void (await ask('stop')),
    comeBack: async () => void (await ask('resume')),
    token: async (user, client = 'sallyport') => {
      const response = await fetch(`${issuer}/demo/token?user=${encodeURIComponent(user)}&client=${client}`);
      if (!response.ok) throw new Error(`the provider answered ${response.status}`);
      return response.text();
    },
    close: async () => {
      const exited = once(child, 'exit');
      child.disconnect();
      await exited;
    },
  };
}

function asking(child: ChildProcess): (command: string, keys?: unknown) => Promise<unknown> {
  let last = 0;
  let complaints = '';
  child.stderr?.on('data', (text) => (complaints += String(text)));
  return (command, keys) =>
    new Promise((resolve, reject) => {
      const id = ++last;
      const answered = (message: unknown): void => {
        if (typeof message !== 'object' || message === null || !('id' in message) || message.id !== id) return;
        child.off('message', answered);
        child.off('exit', exited);
        resolve('result' in message ? message.result : null);
      };
      const exited = (code: number | null): void =>
        reject(new Error(`the provider's process ended with ${code}: ${complaints}`));
      child.on('message', answered);
      child.once('exit', exited);
      child.send({ id, do: command, keys });
    });
}

function privateSet(keys: readonly SigningKey[]): { keys: JsonWebKey[] } {
  return { keys: keys.map(({ kid, key }) => ({ ...key.export({ format: 'jwk' }), kid, alg: 'RS256', use: 'sig' })) };
}

/** The key set as an issuer would publish it. */
export function publicSet(keys: readonly SigningKey[]): { keys: JsonWebKey[] } {
  return {
    keys: keys.map(({ kid, key }) => ({
      ...createPublicKey(key).export({ format: 'jwk' }),
      kid,
      alg: 'RS256',
      use: 'sig',
    })),
  };
}

/** A token of any header and payload, text or object, signed with RS256 over exactly these bytes. */
export function signToken(
  key: SigningKey,
  payload: Readonly<Record<string, unknown>> | string,
  header: Readonly<Record<string, unknown>> | string = {},
): string {
  const headerText =
    typeof header === 'string' ? header : JSON.stringify({ alg: 'RS256', typ: 'JWT', kid: key.kid, ...header });
  const input = `${encode(headerText)}.${encode(payload)}`;
  return `${input}.${createSign('RSA-SHA256').update(input).sign(key.key).toString('base64url')}`;
}

/** A token whose signature is a MAC with the given secret: what the attack of taking a public key for a secret makes. */
export function macToken(
  secret: string | Buffer,
  payload: Readonly<Record<string, unknown>>,
  header: Readonly<Record<string, unknown>>,
): string {
  const input = `${encode(header)}.${encode(payload)}`;
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
}

export function encode(value: Readonly<Record<string, unknown>> | string): string {
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
}
