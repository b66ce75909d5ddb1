import type { JsonValue } from '../core/json.ts';
import type { Limits } from '../core/limits.ts';
import type { Attachments } from './attachments.ts';
import { BLOBS, CUT, CUT_STEPS, ENTRY_TAIL, entryHead, type Place, quote, sealedText, shorten } from './entry.ts';
import type { FrameWriter, Written } from './frame.ts';
import type { SealedStore } from './sealed.ts';
import type { Envelope, Sealed } from './stage.ts';

/** Makes the frame of an entry: its text, its sealed part, and a blob for every sealed field that is long. */
export class EntryComposer {
  readonly #writer: FrameWriter;
  readonly #store: SealedStore;
  readonly #attachments: Attachments;
  readonly #limits: Limits;

  constructor(writer: FrameWriter, store: SealedStore, attachments: Attachments, limits: Limits) {
    this.#writer = writer;
    this.#store = store;
    this.#attachments = attachments;
    this.#limits = limits;
  }

  compose(envelope: Envelope, sealed: Sealed, place: Place, seal: boolean): Written {
    const encrypt =
      seal && envelope.session !== null ? this.#store.cipher(envelope.session, place.seq, this.#attachments) : null;
    let head = entryHead(envelope, place, null);
    let text = sealedText(sealed);
    if (isLong(head, this.#limits.entry_bytes_max)) [head, text] = this.#cut(envelope, sealed, place, encrypt);
    else if (isLong(text, this.#limits.sealed_field_bytes_max))
      text = this.#withBlobs(envelope.session, sealed, {}, encrypt);
    return this.#writer.write(place.seq, text, head, ENTRY_TAIL, encrypt);
  }

  #cut(envelope: Envelope, sealed: Sealed, place: Place, encrypt: Encrypt): [string, string] {
    // Ids are the gateway's own, and name files.
    if (Math.max(envelope.session?.length ?? 0, envelope.run?.length ?? 0) > ID_CHARACTERS_MAX) {
      throw new Error(`an id of more than ${ID_CHARACTERS_MAX} characters`);
    }
    // The text that is left fits at the last step, whatever it is made of.
    for (const step of CUT_STEPS) {
      const short = shorten(envelope, step);
      const hasCut = Object.keys(short.cut).length > 0;
      const head = entryHead(short.envelope, place, hasCut ? short.cut : null);
      if (byteLength(head) > this.#limits.entry_bytes_max - RESERVED_BYTES) continue;
      if (!hasCut) return [head, this.#withBlobs(envelope.session, sealed, {}, encrypt)];
      return [head, this.#withBlobs(envelope.session, sealed, { [CUT]: short.sealed }, encrypt)];
    }
    throw new Error(`an envelope that cannot be shortened to ${this.#limits.entry_bytes_max} bytes`);
  }

  /** The sealed text, its long fields replaced by the digests of their blobs. `added` are the log's own fields. */
  #withBlobs(
    session: string | null,
    sealed: Sealed,
    added: Readonly<Record<string, JsonValue>>,
    encrypt: Encrypt,
  ): string {
    // Refuses the log's own names before anything is written.
    sealedText(sealed);
    const blobs: Record<string, JsonValue> = {};
    const short: string[] = [];
    for (const [name, value] of Object.entries({ ...sealed, ...added })) {
      const json = JSON.stringify(value);
      if (isLong(json, this.#limits.sealed_field_bytes_max))
        blobs[name] = this.#store.attach(session, json, encrypt, this.#attachments);
      else short.push(`${quote(name)}:${json}`);
    }
    if (Object.keys(blobs).length > 0) short.push(`${quote(BLOBS)}:${JSON.stringify(blobs)}`);
    return `{${short.join(',')}}`;
  }
}

type Encrypt = ((plain: Buffer) => Buffer) | null;

/** Whether a text may be more bytes than this, which its length tells for all that is short. */
function isLong(text: string, bytes_max: number): boolean {
  return text.length * UTF8_BYTES_MAX > bytes_max - RESERVED_BYTES && byteLength(text) > bytes_max - RESERVED_BYTES;
}

function byteLength(text: string): number {
  return Buffer.byteLength(text);
}

/** A UTF-16 unit is at most three bytes of UTF-8. */
const UTF8_BYTES_MAX = 3;
const ID_CHARACTERS_MAX = 256;
/** The commitment and what closes an entry. */
const RESERVED_BYTES = 128;
