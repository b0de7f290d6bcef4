//! Media without I/O: SDP, offer/answer, RTP, RTCP, G.711, relay sessions.
