import { dirname, isAbsolute, join } from 'node:path';
import { GatewayError } from '../core/errors.ts';
import { readDocument } from './document.ts';
import type { ConfigFiles } from './files.ts';
import { errorCode } from './secret.ts';

/**
 * Where a configuration keeps its data, and nothing else of it: the operator must reach a running gateway also while
 * somebody has left a mistake in its file.
 */
export function dataDirectory(path: string, files: ConfigFiles): string {
  let text: string;
  try {
    text = files.read(path);
  } catch (cause) {
    throw new GatewayError('CONFIG_INVALID', `${path} cannot be read (${errorCode(cause)})`);
  }
  const { value } = readDocument(path, text);
  const gateway = typeof value === 'object' && value !== null && 'gateway' in value ? value.gateway : null;
  const written = typeof gateway === 'object' && gateway !== null && 'data_dir' in gateway ? gateway.data_dir : null;
  const directory = typeof written === 'string' && written !== '' ? written : './data';
  return isAbsolute(directory) ? directory : join(dirname(path), directory);
}
