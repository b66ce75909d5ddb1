import { z } from 'zod';
import { parseSecret } from './secret.ts';
import { type Parsed, parseAddress, parseDuration, parseMoment, parsePublicUrl } from './values.ts';

/** Marks a place where a secret stands: only there is a reference understood, and a value in clear is warned of. */
export const SECRET_META = { format: 'secret' } as const;

export const secretText = z
  .string()
  .min(1)
  .superRefine((text, context) => {
    const secret = parseSecret(text);
    if (secret.kind === 'malformed') context.addIssue({ code: 'custom', message: secret.why });
  })
  .meta({ ...SECRET_META, description: 'A secret: ${env:NAME} or ${file:PATH}.' });

/** Names that stand in ids, paths and host names. */
export const baseName = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?$/, 'a name is 1–63 of a-z 0-9 - _, first and last a letter or digit');

export const address = checked((text) => parseAddress(text, null)).describe('HOST:PORT');
export const duration = checked(parseDuration).describe('30s, 15m, 12h, 7d');
export const publicUrl = checked(parsePublicUrl);
export const moment = checked(parseMoment).describe('2027-01-31 or 2027-01-31T18:00Z');

export function checked(parse: (text: string) => Parsed<unknown>): z.ZodString {
  return z.string().superRefine((text, context) => {
    const result = parse(text);
    if (result.outcome === 'wrong') context.addIssue({ code: 'custom', message: result.why });
  });
}
