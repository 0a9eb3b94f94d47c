//! Routes, headers and leaving clients, over real sockets.
