# A GPU server: docker build -t filmgrid . && docker run --gpus all -p 7860:7860 -v studio:/data filmgrid
# torch's wheels bring their own CUDA; the machine needs NVIDIA's driver and container toolkit.
FROM python:3.12-slim

WORKDIR /app
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src ./src
RUN pip install --no-cache-dir ".[serve]" -c constraints.txt \
    && useradd --create-home filmgrid \
    && mkdir -p /data /models && chown filmgrid /data /models

USER filmgrid
ENV HF_HOME=/models PYTHONUNBUFFERED=1
VOLUME ["/data", "/models"]
EXPOSE 7860
HEALTHCHECK --interval=30s --start-period=600s CMD python -c "import urllib.request as u; u.urlopen('http://127.0.0.1:7860/healthz')"
STOPSIGNAL SIGTERM
ENTRYPOINT ["filmgrid", "serve", "--host", "0.0.0.0", "--workspace", "/data"]
CMD ["--model", "mini"]
