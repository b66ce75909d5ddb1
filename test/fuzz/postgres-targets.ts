import { GatewayError } from '../../src/core/errors.ts';
import { LIMITS } from '../../src/core/limits.ts';
import { decodePassword, decodeSaslInitial } from '../../src/protocols/postgres/codec-authentication.ts';
import { decodeBackend, encodeBackend } from '../../src/protocols/postgres/codec-backend.ts';
import { decodeFrontend, encodeFrontend } from '../../src/protocols/postgres/codec-frontend.ts';
import {
  backendLimits,
  type Frame,
  type FrameLimits,
  FrameReader,
  frameBody,
  frameBytes,
  frontendLimits,
  HEADER_BYTES,
  StartupReader,
  tags,
} from '../../src/protocols/postgres/frames.ts';
import {
  clientChallenge,
  clientFinal,
  clientFirst,
  SCRAM,
  SCRAM_PLUS,
  serverFinal,
  serverFirst,
  verifierKeys,
  verifyServerFinal,
} from '../../src/protocols/postgres/scram.ts';
import { decodeStartup, encodeStartup } from '../../src/protocols/postgres/startup.ts';
import { BACKEND_SEEDS, FRONTEND_SEEDS, STARTUP_SEEDS } from './postgres-seeds.ts';
import type { Target } from './target.ts';

/** What a decoder made of a stream, in a form that can be compared: messages, then how it ended. */
export type Reading = readonly string[];

/** Reads a stream that was cut in these places, and checks what every single frame promises. */
export function readFrontend(chunks: readonly Buffer[]): Reading {
  return readStream(chunks, FRONTEND_LIMITS, (frame) => {
    const message = decodeFrontend(frame.tag, frameBody(frame), FUZZ_LIMITS);
    sameBytes(encodeFrontend(message), frame);
    if (message.type === 'password')
      for (const read of [decodePassword, decodeSaslInitial]) refusing(() => read(message.data));
    return show(message);
  });
}

export function readBackend(chunks: readonly Buffer[]): Reading {
  return readStream(chunks, BACKEND_LIMITS, (frame) => {
    const message = decodeBackend(frame.tag, frameBody(frame));
    const again = encodeBackend(message);
    // Texts of errors are decoded leniently; they must still come out the same the second time.
    const lenient = message.type === 'error' || message.type === 'notice';
    if (lenient) same(show(decodeBackend(frame.tag, again.subarray(HEADER_BYTES))), show(message));
    else sameBytes(again, frame);
    return show(message);
  });
}

export function readStartup(chunks: readonly Buffer[]): Reading {
  const reader = new StartupReader(LIMITS.startup_bytes_max);
  const seen: string[] = [];
  const refusal = refusing(() => {
    let received = 0;
    for (const chunk of chunks) {
      received += chunk.length;
      const packet = reader.read(Buffer.from(chunk));
      if (packet === null) continue;
      const message = decodeStartup(packet.body);
      same(encodeStartup(message).subarray(4).toString('hex'), packet.body.toString('hex'));
      seen.push(show(message), `${received - packet.rest.length}`);
      return;
    }
    seen.push(`held ${reader.held}`);
  });
  return refusal === null ? seen : [...seen, refusal];
}

/** The input is a byte of circumstances, then both messages of a client with a NUL between them. */
function runScramServer(input: Buffer): void {
  const circumstances = input[0] ?? 0;
  const [one, other] = halves(input.subarray(1));
  const endPoint = (circumstances & 1) === 0 ? null : CERTIFICATE;
  const mechanism = (circumstances & 2) === 0 ? SCRAM : SCRAM_PLUS;
  refusing(() => {
    const first = serverFirst(one, { mechanism, endPoint, nonce: 'server', salt: SALT, iterations: 4096 });
    serverFinal(first, other, [{ id: 'it', ...VERIFIER }]);
  }, ['WIRE_MALFORMED', 'IDENTITY_REFUSED']);
}

/** Likewise, both messages of a server. */
function runScramClient(input: Buffer): void {
  const circumstances = input[0] ?? 0;
  const [one, other] = halves(input.subarray(1));
  refusing(() => {
    const begun = clientFirst([SCRAM, SCRAM_PLUS], 'client', (circumstances & 1) === 0 ? null : CERTIFICATE);
    const challenge = clientChallenge(begun, one);
    if (challenge.iterations > 200_000 || challenge.salt.length > 1024) throw new Error('a costly challenge was taken');
    verifyServerFinal(clientFinal(challenge, SALTED), other);
  }, ['TARGET_MISBEHAVED', 'TARGET_LOGIN']);
}

function readStream(chunks: readonly Buffer[], limits: FrameLimits, read: (frame: Frame) => string): Reading {
  const reader = new FrameReader(limits);
  const seen: string[] = [];
  let received = 0;
  const refusal = refusing(() => {
    for (const chunk of chunks) {
      received += chunk.length;
      // Lent and taken back, as a connection does: what was not copied is wrong afterwards.
      const lent = Buffer.from(chunk);
      for (const frame of reader.read(lent)) seen.push(read(frame));
      lent.fill(0xee);
      if (reader.held > received) throw new Error(`${reader.held} bytes held of ${received}`);
    }
    seen.push(`held ${reader.held}`);
  });
  return refusal === null ? seen : [...seen, refusal];
}

/** Pieces of a streamed message add up to the message. */
function checkStreaming(input: Buffer, chunks: readonly Buffer[], limits: FrameLimits): void {
  const reader = new FrameReader(limits, tags('dD'));
  const pieces: Buffer[] = [];
  refusing(() => {
    for (const chunk of chunks) {
      for (const frame of reader.read(chunk)) pieces.push(Buffer.from(frameBytes(frame)));
    }
  });
  const joined = Buffer.concat(pieces);
  same(joined.toString('hex'), input.subarray(0, joined.length).toString('hex'));
}

function whateverTheCut(input: Buffer, read: (chunks: readonly Buffer[]) => Reading): void {
  same(read(cutAnywhere(input)).join('\n'), read([input]).join('\n'));
}

/** Cuts that depend on nothing but the bytes, so that a finding can be repeated. */
export function cutAnywhere(input: Buffer): readonly Buffer[] {
  const chunks: Buffer[] = [];
  for (let offset = 0; offset < input.length; ) {
    const size = 1 + (((input[offset] ?? 0) * 31 + offset) % 13);
    chunks.push(input.subarray(offset, offset + size));
    offset += size;
  }
  return chunks;
}

/** Runs and gives the refusal, if it is one that may be. Anything else that is thrown is a finding. */
function refusing(run: () => unknown, codes?: readonly string[]): string | null {
  try {
    run();
    return null;
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    if (codes === undefined ? error.code.startsWith('WIRE_') : codes.includes(error.code)) return error.code;
    throw error;
  }
}

function show(message: object): string {
  return JSON.stringify(message, (_, value: unknown) =>
    typeof value === 'object' &&
    value !== null &&
    'type' in value &&
    value.type === 'Buffer' &&
    'data' in value &&
    Array.isArray(value.data)
      ? `0x${Buffer.from(value.data).toString('hex')}`
      : value,
  );
}

function sameBytes(encoded: Buffer, frame: Frame): void {
  same(encoded.toString('hex'), frameBytes(frame).toString('hex'));
}

function same(one: string, other: string): void {
  if (one !== other) throw new Error(`not the same:\n${one.slice(0, 400)}\n${other.slice(0, 400)}`);
}

function halves(input: Buffer): [Buffer, Buffer] {
  const nul = input.indexOf(0);
  return nul === -1 ? [input, Buffer.alloc(0)] : [input.subarray(0, nul), input.subarray(nul + 1)];
}

const FUZZ_LIMITS = { ...LIMITS, message_bytes_max: 3_000, target_message_bytes_max: 3_000, password_bytes_max: 300 };
const FRONTEND_LIMITS = frontendLimits(FUZZ_LIMITS);
const BACKEND_LIMITS = backendLimits(FUZZ_LIMITS);
const CERTIFICATE = Buffer.alloc(32, 7);
const SALT = Buffer.from('0123456789abcdef');
const SALTED = Buffer.alloc(32, 9);
const VERIFIER = verifierKeys(SALTED);

function scramServerSeeds(): readonly Buffer[] {
  const cases = [
    { circumstances: 0, offered: [SCRAM], endPoint: null },
    { circumstances: 3, offered: [SCRAM_PLUS, SCRAM], endPoint: CERTIFICATE },
    { circumstances: 0, offered: [SCRAM], endPoint: CERTIFICATE },
    { circumstances: 1, offered: [SCRAM], endPoint: CERTIFICATE },
  ];
  return cases.map(({ circumstances, offered, endPoint }) => {
    const begun = clientFirst(offered, 'client', endPoint);
    const message = `r=clientserver,s=${SALT.toString('base64')},i=4096`;
    const final = clientFinal(clientChallenge(begun, Buffer.from(message)), SALTED);
    return Buffer.concat([Buffer.from([circumstances]), begun.message, Buffer.from([0]), final.message]);
  });
}

function scramClientSeeds(): readonly Buffer[] {
  const message = `r=clientserver,s=${SALT.toString('base64')},i=4096`;
  const final = clientFinal(clientChallenge(clientFirst([SCRAM], 'client', null), Buffer.from(message)), SALTED);
  const signature = final.serverSignature.toString('base64');
  return [`\0${message}\0v=${signature}`, `\x01${message},x=y\0v=${signature}`, `\0${message}\0e=invalid-proof`].map(
    (text) => Buffer.from(text, 'latin1'),
  );
}

const SOURCES = ['/src/protocols/wire/', '/src/protocols/postgres/'];
const SCRAM_WORDS = [
  'n,,',
  'y,,',
  'p=tls-server-end-point,,',
  'n=',
  ',r=',
  ',m=x',
  'a=b',
  'c=biws',
  ',p=',
  'v=',
  'e=',
  ',s=',
  ',i=4096',
  '=2C',
  'client',
  'server',
  '\0',
];

export const POSTGRES_TARGETS: readonly Target[] = [
  {
    name: 'postgres-frontend',
    sources: SOURCES,
    framing: 'tagged',
    dictionary: [...'QPBDCEHSXdcfFp', 'SCRAM-SHA-256\0', '\0\0', '\xff\xff\xff\xff'],
    seeds: () => FRONTEND_SEEDS.map(encodeFrontend),
    run(input) {
      whateverTheCut(input, readFrontend);
      checkStreaming(input, cutAnywhere(input), FRONTEND_LIMITS);
    },
  },
  {
    name: 'postgres-backend',
    sources: SOURCES,
    framing: 'tagged',
    dictionary: [...'RKSZTDCIENA123nstGHWdcVv', '\0\0', '\xff\xff\xff\xff', '\0\x03\0\0'],
    seeds: () => BACKEND_SEEDS.map(encodeBackend),
    run(input) {
      whateverTheCut(input, readBackend);
      checkStreaming(input, cutAnywhere(input), BACKEND_LIMITS);
    },
  },
  {
    name: 'postgres-startup',
    sources: SOURCES,
    framing: 'startup',
    dictionary: [
      'user\0',
      'database\0',
      'options\0',
      '_pq_.x\0',
      'replication\0',
      '\0\x03\0\0',
      '\x04\xd2\x16\x2e',
      '\x04\xd2\x16\x2f',
    ],
    seeds: () => STARTUP_SEEDS.map(encodeStartup),
    run: (input) => whateverTheCut(input, readStartup),
  },
  {
    name: 'scram-server',
    sources: SOURCES,
    framing: 'none',
    dictionary: SCRAM_WORDS,
    seeds: scramServerSeeds,
    run: runScramServer,
  },
  {
    name: 'scram-client',
    sources: SOURCES,
    framing: 'none',
    dictionary: SCRAM_WORDS,
    seeds: scramClientSeeds,
    run: runScramClient,
  },
];
