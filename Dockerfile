# Two stages: the first builds as `make run` does, the second carries the binary and PostgreSQL's programs.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN tools/packages run && cargo build --release --locked --bin yakyak

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates postgresql-common util-linux \
 && echo 'create_main_cluster = false' >> /etc/postgresql-common/createcluster.conf \
 && apt-get install -y --no-install-recommends postgresql \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /src/target/release/yakyak /usr/local/bin/yakyak
VOLUME /var/lib/yakyak
EXPOSE 5060/udp 10000-20000/udp
ENTRYPOINT ["yakyak"]
CMD ["serve"]
