# One image for the service and for the multikernel.
FROM debian:12-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends \
        gcc libc6-dev python3 python3-dev python3-venv swi-prolog-nox \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY pyproject.toml constraints.txt CMakeLists.txt README.md LICENSE ./
COPY rules rules
COPY probes probes
COPY skb skb
COPY multikernel multikernel
RUN python3 -m venv /opt/multikernel-skb \
    && /opt/multikernel-skb/bin/pip install --no-cache-dir -c constraints.txt .

FROM debian:12-slim
RUN apt-get update && apt-get install -y --no-install-recommends \
        acpica-tools python3 swi-prolog-nox \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/multikernel-skb /opt/multikernel-skb
ENV PATH=/opt/multikernel-skb/bin:$PATH
EXPOSE 7411
CMD ["multikernel", "demo"]
