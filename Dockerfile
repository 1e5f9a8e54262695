# docker build -t visualwords .
# docker run --rm -v "$PWD/photos:/photos:ro" -v "$PWD/out:/out" --user "$(id -u)" visualwords \
#     run /photos --out /out/run
#
# The package belongs to root, the job runs as a user without a home folder, and nothing in the image
# is written to: `docker run --read-only --tmpfs /tmp:exec` works as well. Compiled kernels go to
# NUMBA_CACHE_DIR; a volume there keeps them from one container to the next.
ARG PYTHON=3.13
FROM python:${PYTHON}-slim AS build
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheel .

FROM python:${PYTHON}-slim
COPY --from=build /wheel /wheel
RUN pip install --no-cache-dir /wheel/*.whl && rm -r /wheel && pip check
ENV NUMBA_CACHE_DIR=/tmp/visualwords-kernels MPLCONFIGDIR=/tmp/matplotlib
USER 10001
WORKDIR /tmp
ENTRYPOINT ["visualwords"]
CMD ["--help"]
