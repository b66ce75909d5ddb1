import type { Envelope } from './stage.ts';

/**
 * What an entry is worth when the disk is full. `passage`: it would let something through, so it is refused first.
 * `refusal`: it says that nothing went through, or what people who administer did. `ending`: it closes what has begun,
 * and is recorded to the last byte.
 */
export type Weight = 'passage' | 'refusal' | 'ending';

export function weigh(envelope: Envelope): Weight {
  switch (envelope.kind) {
    case 'result':
    case 'session-end':
    case 'gateway-stop':
    case 'recovered':
    case 'alert':
      return 'ending';
    case 'gateway-start':
    case 'login-refused':
    case 'refused-bytes':
    case 'decision':
    case 'receipt':
    case 'admin':
      return 'refusal';
    case 'request':
      return envelope.verdict === 'ask' ? 'passage' : 'refusal';
    case 'session-start':
    case 'prepared':
    case 'action':
      return envelope.verdict === 'refuse' ? 'refusal' : 'passage';
  }
}
