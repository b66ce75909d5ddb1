import { pbkdf2Sync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GatewayError } from '../../../src/core/errors.ts';
import {
  clientChallenge,
  clientFinal,
  clientFirst,
  SCRAM,
  SCRAM_PLUS,
  type ServerFirst,
  type ServerTerms,
  serverFinal,
  serverFirst,
  serverMechanisms,
  verifierKeys,
  verifyServerFinal,
} from '../../../src/protocols/postgres/scram.ts';

const rfc = JSON.parse(
  readFileSync(new URL('../../vectors/postgres/scram-rfc7677.json', import.meta.url), 'utf8'),
) as Record<string, string> & { iterations: number };
const text = (value: string) => Buffer.from(value, 'latin1');
const failing = (code: string) => expect.objectContaining({ name: 'GatewayError', code });
const derive = (password: string, salt: Buffer, iterations: number) =>
  pbkdf2Sync(password, salt, iterations, 32, 'sha256');

const SALT = Buffer.from('0123456789abcdef');
const CERTIFICATE = Buffer.alloc(32, 7);
const verifier = (id: string, password: string) => ({ id, ...verifierKeys(derive(password, SALT, 2)) });
const changed = (message: Buffer, at: number, change: number) => {
  const other = Buffer.from(message);
  other[at] = (other[at] ?? 0) ^ change;
  return other;
};
const terms = (change: Partial<ServerTerms> = {}): ServerTerms => ({
  mechanism: SCRAM,
  endPoint: null,
  nonce: 'server',
  salt: SALT,
  iterations: 2,
  ...change,
});

/** A whole login between our two halves; the end points are what each side saw of the TLS channel. */
function login(password: string, ours: Buffer | null, theirs: Buffer | null, offered = serverMechanisms(ours)) {
  const begun = clientFirst(offered, 'client', theirs);
  const answered = serverFirst(begun.message, terms({ mechanism: begun.mechanism, endPoint: ours }));
  const challenge = clientChallenge(begun, answered.message);
  const final = clientFinal(challenge, derive(password, challenge.salt, challenge.iterations));
  return { begun, answered, final };
}

describe('the example of RFC 7677', () => {
  const salt = Buffer.from(rfc.salt ?? '', 'base64');
  const salted = derive(rfc.password ?? '', salt, rfc.iterations);

  test('is what a server says', () => {
    const first = serverFirst(
      text(rfc.clientFirst ?? ''),
      terms({ nonce: rfc.serverNonce ?? '', salt, iterations: rfc.iterations }),
    );
    expect(first.message.toString()).toBe(rfc.serverFirst);
    const final = serverFinal(first, text(rfc.clientFinal ?? ''), [{ id: 'it', ...verifierKeys(salted) }]);
    expect(final).toStrictEqual({ verifier: 'it', message: text(rfc.serverFinal ?? '') });
  });

  test('is what a client proves', () => {
    const begun = clientFirst([SCRAM], rfc.clientNonce ?? '', null);
    // The example names the user; PostgreSQL's clients leave that to the startup packet.
    const named = { ...begun, bare: (rfc.clientFirst ?? '').slice(3) };
    const final = clientFinal(clientChallenge(named, text(rfc.serverFirst ?? '')), salted);
    expect(final.message.toString()).toBe(rfc.clientFinal);
    expect(() => verifyServerFinal(final, text(rfc.serverFinal ?? ''))).not.toThrow();
  });
});

describe('a login', () => {
  test.each([
    ['without TLS', null, null, SCRAM, 'n,,'],
    ['bound to the TLS channel', CERTIFICATE, CERTIFICATE, SCRAM_PLUS, 'p=tls-server-end-point,,'],
    ['of a client that cannot bind', CERTIFICATE, null, SCRAM, 'n,,'],
    ['at a server that cannot bind', null, CERTIFICATE, SCRAM, 'y,,'],
  ])('%s succeeds for the right password and fails for another', (_, ours, theirs, mechanism, header) => {
    const right = login('right', ours, theirs);
    expect(right.begun.mechanism).toBe(mechanism);
    expect(right.begun.message.toString()).toBe(`${header}n=,r=client`);
    const verifiers = [verifier('a', 'other'), verifier('b', 'right'), verifier('c', 'third')];
    const accepted = serverFinal(right.answered, right.final.message, verifiers);
    expect(accepted.verifier).toBe('b');
    expect(() => verifyServerFinal(right.final, accepted.message)).not.toThrow();

    const wrong = login('wrong', ours, theirs);
    const refused = serverFinal(wrong.answered, wrong.final.message, verifiers);
    expect(refused.verifier).toBe(null);
    expect(() => verifyServerFinal(wrong.final, refused.message)).toThrow(failing('TARGET_MISBEHAVED'));
  });

  test('of nobody fails like any other', () => {
    const { answered, final } = login('right', null, null);
    expect(serverFinal(answered, final.message, []).verifier).toBe(null);
  });

  test('cannot be replayed under another nonce', () => {
    const { begun, final } = login('right', null, null);
    const later = serverFirst(begun.message, terms({ nonce: 'another' }));
    expect(() => serverFinal(later, final.message, [verifier('b', 'right')])).toThrow(failing('WIRE_MALFORMED'));
  });

  test('is refused when it was made for another TLS channel', () => {
    const { answered, final } = login('right', CERTIFICATE, Buffer.alloc(32, 8));
    expect(() => serverFinal(answered, final.message, [verifier('b', 'right')])).toThrow(failing('IDENTITY_REFUSED'));
  });

  test('is refused when somebody hid that the server can bind', () => {
    expect(() => login('right', CERTIFICATE, CERTIFICATE, [SCRAM])).toThrow(failing('IDENTITY_REFUSED'));
  });

  test('fails if a byte of it is changed', () => {
    const { begun, answered, final } = login('right', CERTIFICATE, CERTIFICATE);
    const outcome = (run: () => { verifier: string | null }) => {
      try {
        return run().verifier;
      } catch (error) {
        return error instanceof GatewayError ? error.code : error;
      }
    };
    const finish = (first: ServerFirst, message: Buffer) =>
      outcome(() => serverFinal(first, message, [verifier('b', 'right')]));
    expect(finish(answered, final.message)).toBe('b');
    const refusals = [null, 'WIRE_MALFORMED', 'IDENTITY_REFUSED'];
    fc.assert(
      fc.property(fc.nat(final.message.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        expect(refusals).toContain(finish(answered, changed(final.message, at, change)));
      }),
      { numRuns: 500 },
    );
    const bound = terms({ mechanism: SCRAM_PLUS, endPoint: CERTIFICATE });
    for (let at = 0; at < begun.message.length; at++) {
      const tampered = outcome(() =>
        serverFinal(serverFirst(changed(begun.message, at, 1), bound), final.message, [verifier('b', 'right')]),
      );
      expect(refusals, `byte ${at}`).toContain(tampered);
    }
  });
});

describe('a client-first-message', () => {
  const long = 'x'.repeat(257);
  test.each([
    ['nothing', ''],
    ['no header', 'n=,r=abc'],
    ['a header of another kind', 'x,,n=,r=abc'],
    ['no nonce', 'n,,n='],
    ['an empty nonce', 'n,,n=,r='],
    ['a nonce with a space', 'n,,n=,r=a b'],
    ['a nonce that is not printable', 'n,,n=,r=a\x01b'],
    ['a nonce of 257 characters', `n,,n=,r=${long}`],
    ['a mandatory extension', 'n,,m=x,n=,r=abc'],
    ['a mandatory extension behind', 'n,,n=,r=abc,m=x'],
    ['an authorization identity', 'n,a=root,n=,r=abc'],
    ['a NUL', 'n,,n=a\0b,r=abc'],
    ['an unescaped equals sign', 'n,,n=a=b,r=abc'],
    ['binding without the PLUS mechanism', 'p=tls-server-end-point,,n=,r=abc'],
    ['something behind', 'n,,n=,r=abc,'],
    ['5,000 bytes', `n,,n=${'x'.repeat(5000)},r=abc`],
  ])('is refused: %s', (_, message) => {
    expect(() => serverFirst(text(message), terms())).toThrow(failing('WIRE_MALFORMED'));
  });

  test.each([
    ['no binding in the PLUS mechanism', 'n,,n=,r=abc', SCRAM_PLUS, CERTIFICATE],
    ['a "y" in the PLUS mechanism', 'y,,n=,r=abc', SCRAM_PLUS, CERTIFICATE],
    ['another kind of binding', 'p=tls-unique,,n=,r=abc', SCRAM_PLUS, CERTIFICATE],
    ['PLUS that was not offered', 'p=tls-server-end-point,,n=,r=abc', SCRAM_PLUS, null],
    ['a mechanism that was not offered', 'n,,n=,r=abc', 'SCRAM-SHA-1', null],
  ])('is refused: %s', (_, message, mechanism, endPoint) => {
    expect(() => serverFirst(text(message), terms({ mechanism, endPoint }))).toThrow(failing('WIRE_MALFORMED'));
  });

  test.each([
    'n,,n=,r=abc',
    'n,,n=*,r=abc',
    'y,,n=user,r=abc',
    'n,,n=a=2Cb=3Dc,r=abc',
    'n,,n=,r=abc,x=later',
    `n,,n=,r=${'x'.repeat(256)}`,
  ])('is taken: %s', (message) => {
    expect(serverFirst(text(message), terms()).nonce).toMatch(/^(abc|x{256})server$/);
  });
});

describe('a client-final-message', () => {
  const { answered, final } = login('right', null, null);
  const good = final.message.toString();
  const proof = good.slice(good.indexOf(',p=') + 3);
  test.each([
    ['nothing', ''],
    ['no proof', 'c=biws,r=clientserver'],
    ['a short proof', 'c=biws,r=clientserver,p=AAAA'],
    ['a proof that is no base64', `c=biws,r=clientserver,p=${proof.replace('=', '')}`],
    ['two proofs', `c=biws,r=clientserver,p=${proof},p=${proof}`],
    ['another nonce', `c=biws,r=clientserves,p=${proof}`],
    ['the nonce of the client alone', `c=biws,r=client,p=${proof}`],
    ['another header', `c=eSws,r=clientserver,p=${proof}`],
    ['a mandatory extension', `c=biws,r=clientserver,m=x,p=${proof}`],
    ['the wrong order', `r=clientserver,c=biws,p=${proof}`],
    ['something behind', `${good},x=y`],
  ])('is refused: %s', (_, message) => {
    expect(() => serverFinal(answered, text(message), [verifier('b', 'right')])).toThrow(failing('WIRE_MALFORMED'));
  });
});

describe('a server-first-message', () => {
  const begun = clientFirst([SCRAM], 'client', null);
  const salt = 'AAAA';
  test.each([
    ['nothing', ''],
    ['an error', 'e=other-error'],
    ['another nonce', `r=server,s=${salt},i=4096`],
    ['our nonce and nothing more', `r=client,s=${salt},i=4096`],
    ['a nonce of 263 characters', `r=client${'x'.repeat(257)},s=${salt},i=4096`],
    ['no salt', 'r=clientserver,s=,i=4096'],
    ['a salt that is no base64', 'r=clientserver,s=AAA,i=4096'],
    ['a salt of 1,026 bytes', `r=clientserver,s=${'A'.repeat(1368)},i=4096`],
    ['no iterations', `r=clientserver,s=${salt},i=0`],
    ['negative iterations', `r=clientserver,s=${salt},i=-1`],
    ['200,001 iterations', `r=clientserver,s=${salt},i=200001`],
    ['2^31 iterations', `r=clientserver,s=${salt},i=2147483648`],
    ['iterations without end', `r=clientserver,s=${salt},i=99999999999999999999`],
    ['iterations in words', `r=clientserver,s=${salt},i=4e3`],
    ['a mandatory extension', `m=x,r=clientserver,s=${salt},i=4096`],
    ['a mandatory extension behind', `r=clientserver,s=${salt},i=4096,m=x`],
    ['a megabyte', `r=clientserver,s=${'A'.repeat(2 ** 20)},i=4096`],
  ])('of a target is refused: %s', (_, message) => {
    expect(() => clientChallenge(begun, text(message))).toThrow(failing('TARGET_MISBEHAVED'));
  });

  test.each([1, 4096, 200_000])('may ask for %i iterations', (iterations) => {
    expect(clientChallenge(begun, text(`r=clientserver,s=${salt},i=${iterations}`)).iterations).toBe(iterations);
  });
});

describe('a server-final-message', () => {
  const { final } = login('right', null, null);
  test.each([
    ['nothing', '', 'TARGET_MISBEHAVED'],
    ['no signature', 'v=', 'TARGET_MISBEHAVED'],
    ['a short signature', 'v=AAAA', 'TARGET_MISBEHAVED'],
    ['a wrong signature', `v=${'A'.repeat(43)}=`, 'TARGET_MISBEHAVED'],
    ['a signature that is no base64', 'v=====', 'TARGET_MISBEHAVED'],
    ['an error', 'e=invalid-proof', 'TARGET_LOGIN'],
  ])('of a target is refused: %s', (_, message, code) => {
    expect(() => verifyServerFinal(final, text(message))).toThrow(failing(code));
  });
});

test('a target that offers nothing spoken here is not logged in to', () => {
  expect(() => clientFirst(['GS2-KRB5'], 'client', null)).toThrow(failing('TARGET_LOGIN'));
  // PLUS alone is no offer to a connection without TLS.
  expect(() => clientFirst([SCRAM_PLUS], 'client', null)).toThrow(failing('TARGET_LOGIN'));
});

test('garbage from either side is refused by name, never by accident', () => {
  const begun = clientFirst([SCRAM], 'client', null);
  const { answered, final } = login('right', null, null);
  const pieces = fc.array(
    fc.oneof(
      fc.constantFrom('n', 'y', 'p=', ',', 'r=', 'client', 'server', 's=', 'i=', 'c=biws', 'v=', 'AAAA', '4096', 'm='),
      fc.string({ unit: 'binary', maxLength: 3 }),
    ),
  );
  fc.assert(
    fc.property(pieces, (parts) => {
      const message = text(parts.join(''));
      for (const read of [
        () => serverFirst(message, terms()),
        () => serverFinal(answered, message, []),
        () => clientChallenge(begun, message),
        () => verifyServerFinal(final, message),
      ]) {
        try {
          read();
        } catch (error) {
          if (!(error instanceof GatewayError)) throw error;
        }
      }
    }),
    { numRuns: 1000 },
  );
});
