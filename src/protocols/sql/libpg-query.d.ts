/** The compiled parser itself: the package's own wrapper holds one instance for ever, and an overflow spoils it. */
declare module 'libpg-query/wasm/libpg-query.js' {
  export interface ParserInstance {
    _malloc(bytes: number): number;
    _free(pointer: number): void;
    _wasm_parse_query_raw(query: number): number;
    _wasm_free_parse_result(result: number): void;
    _wasm_parse_plpgsql(query: number): number;
    _wasm_free_string(result: number): void;
    lengthBytesUTF8(text: string): number;
    stringToUTF8(text: string, pointer: number, bytes_max: number): void;
    UTF8ToString(pointer: number): string;
    getValue(pointer: number, type: 'i32'): number;
  }
  export default function load(): Promise<ParserInstance>;
}
