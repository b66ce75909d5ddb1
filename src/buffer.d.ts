/**
 * Methods that every Node Buffer has and that skip the encoding look-up of `toString` and `write`
 * (a few times faster on short texts); @types/node leaves them out.
 */
interface Buffer {
  latin1Slice(start?: number, end?: number): string;
  utf8Slice(start?: number, end?: number): string;
  latin1Write(text: string, offset?: number, length?: number): number;
  utf8Write(text: string, offset?: number, length?: number): number;
}
