/* The prelude's polyfills, which bring no types. */
declare module 'core-js/web/url';
declare module 'core-js/web/url-search-params';
