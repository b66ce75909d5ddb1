import { LIMITS } from '../core/limits.ts';
import { decodeBackend } from '../protocols/postgres/codec-backend.ts';
import { backendLimits, FrameReader, frameBody } from '../protocols/postgres/frames.ts';
import type { Field } from '../protocols/postgres/messages.ts';

/** What was kept of a result, as a table in text: the client's own bytes, so masked as the client saw them. */
export function renderSample(sample: Buffer): string {
  const lines: string[] = [];
  let fields: readonly Field[] = [];
  try {
    for (const frame of new FrameReader(backendLimits(LIMITS)).read(sample)) {
      const message = decodeBackend(frame.tag, frameBody(frame));
      if (message.type === 'row-description') {
        fields = message.fields;
        lines.push(fields.map(({ name }) => name).join(' | '));
      } else if (message.type === 'data-row') {
        lines.push(message.values.map((value, index) => cell(value, fields[index])).join(' | '));
      } else if (message.type === 'copy-data') {
        lines.push(message.data.toString('utf8').replace(/\n$/, ''));
      }
    }
  } catch {
    lines.push('… (cut here)');
  }
  return lines.join('\n');
}

function cell(value: Buffer | null, field: Field | undefined): string {
  if (value === null) return 'NULL';
  return field?.format === 1 ? `\\x${value.toString('hex')}` : value.toString('utf8');
}
